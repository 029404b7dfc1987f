"""The standing cluster: started and stopped, and a client of its submissions and datasets."""
