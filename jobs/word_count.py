"""How often does each word occur? Words are separated by blanks."""

from mrframe import Job, count, main, words

job = Job(read=words, key="word", reduce=count)


if __name__ == "__main__":
    main(job)
