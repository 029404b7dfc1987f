"""`python -m mrframe` is the command `mrframe`."""

from mrframe.cli.main import run_as_command

if __name__ == "__main__":
    run_as_command()
