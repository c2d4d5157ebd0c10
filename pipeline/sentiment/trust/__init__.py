"""How far a language's labels can be trusted: measured where there are labels, else estimated from what needs none.

:mod:`languages` names every language that the model may meet, :mod:`evidence` finds what can be seen without labels,
:mod:`estimate` turns it into an expected macro-F1 with an interval, :mod:`build` puts the table together, :mod:`table`
is what is kept in a model's folder.
"""
