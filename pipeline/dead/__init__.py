"""Dead letters as work to be done: which are open, how one is mended, where it is sent again."""
