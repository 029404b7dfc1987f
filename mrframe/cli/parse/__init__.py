"""From words of the command line to settings, jobs and questions."""
