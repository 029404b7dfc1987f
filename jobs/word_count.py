"""How often does each word occur? A word is what stands between blanks."""

from mrframe import Job, count, main, words

job = Job(read=words, key="word", reduce=count)


if __name__ == "__main__":
    main(job)
