"""How good a model is, and how sure that is: labelled texts in, numbers with intervals, tables and a report out."""
