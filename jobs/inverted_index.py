"""In which files does each word occur, whatever its case and the signs around it?"""

from mrframe import Job, main, words


def by_word(word, file):
    plain = word.strip(".,;:!?()[]\"'").lower()
    if plain:
        yield plain, file


def once(word, files):  # combine: each file is sent once
    for file in dict.fromkeys(files):
        yield word, file


def listed(word, files):
    yield word, sorted(set(files))


job = Job(read=words, map=by_word, combine=once, reduce=listed, columns=("word", "files"))


if __name__ == "__main__":
    main(job)
