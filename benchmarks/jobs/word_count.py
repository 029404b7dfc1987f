"""How often each word occurs, in the order of the words, in each form that a job may have."""

from mrframe import Job, count, total, words


def by_word(word):
    yield word, 1


def by_word_if_any(word):
    if word:
        yield word, 1


record = Job(read=words, map=by_word, reduce=total)
called = Job(read=words, map=by_word_if_any, reduce=total)
declared = Job(read=words, key="word", reduce=count)


def batch() -> Job:
    import pyarrow

    def counted(table):
        found = table.group_by("word").aggregate([([], "count_all")])
        return pyarrow.table({"key": found["word"], "value": found["count_all"]})

    return Job(read=words, fields=("word",), map_batch=counted, reduce=total)
