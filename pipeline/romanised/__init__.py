"""Languages written in Latin letters that ``lid.176`` does not know so: a small fastText classifier of our own.

At run time :mod:`~pipeline.romanised.classifier` and :mod:`~pipeline.romanised.opinion` are used, by
:mod:`pipeline.language`. The other modules make the classifier: ``sources`` reads text in the languages' own scripts,
``transliterate``, ``letters`` and ``spelling`` write it as people type it, ``phrases`` adds talk, ``corpus`` puts the
training lines together and ``train`` trains.
"""
