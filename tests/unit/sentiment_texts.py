"""More than 300 distinct texts of our own, short and long, in many scripts, in a fixed order."""

_OPENINGS = {
    "en": [
        "I love the {}",
        "the {} broke again, I want my money back",
        "{} arrives on Tuesday",
        "not sure about the {}",
    ],
    "de": ["Der {} ist großartig", "Der {} ist schon wieder kaputt", "Der {} kommt am Dienstag", "Na ja, der {} eben"],
    "fr": ["J'adore le {}", "Le {} est encore en panne, quelle honte", "Le {} arrive mardi", "Bof, le {}"],
    "es": [
        "Me encanta el {}",
        "El {} se rompió otra vez, qué vergüenza",
        "El {} llega el martes",
        "Pues el {}, ni fu ni fa",
    ],
    "pt": ["Adoro o {}", "O {} quebrou de novo, péssimo", "O {} chega na terça", "Sei lá, o {}"],
    "it": ["Adoro il {}", "Il {} si è rotto di nuovo, vergogna", "Il {} arriva martedì", "Mah, il {}"],
    "ar": ["أحب {} كثيرا", "تعطل {} مرة أخرى، أريد نقودي", "يصل {} يوم الثلاثاء", "لا أدري عن {}"],
    "hi": ["मुझे {} बहुत पसंद है", "{} फिर से खराब हो गया, पैसे वापस करो", "{} मंगलवार को आएगा", "{} ठीक ठाक है"],
    "ja": ["{}が大好きです", "{}がまた壊れた、返金してほしい", "{}は火曜日に届きます", "{}はまあまあ"],
    "ru": ["Обожаю {}", "{} опять сломался, верните деньги", "{} приедет во вторник", "Ну {} как {}"],
    "tr": ["{} harika olmuş", "{} yine bozuldu, paramı geri istiyorum", "{} salı günü geliyor", "{} idare eder"],
    "hi-Latn": ["yaar {} mast hai", "{} phir se kharab ho gaya bakwas", "{} mangalwar ko aayega", "{} theek hai bas"],
}
_THINGS = ["kettle Brumo", "Zephyr 3", "app", "support", "LUMA-X", "Ofenmeister"]
_TAILS = [
    "",
    " 😡😡",
    " http://example.com/a?b=1&c=2",
    " @someone",
    " &amp; more of it, every day, week after week after week",
]

TEXTS: list[str] = []
LANGUAGES: list[str] = []
for _language, _templates in _OPENINGS.items():
    for _number, _template in enumerate(_templates):
        for _index, _thing in enumerate(_THINGS):
            _text = _template.format(*[_thing] * _template.count("{}")) + _TAILS[(_number + _index) % len(_TAILS)]
            TEXTS.append(_text)
            LANGUAGES.append(_language)
for _length in (3, 6, 12, 24):  # up to and beyond the model's limit
    for _language in ("en", "de", "ar", "ja", "hi"):
        TEXTS.append(". ".join(t.format("Brumo") for t in _OPENINGS[_language] * 6)[: 20 * _length])
        LANGUAGES.append(_language)
TEXTS += ["", " ", "!", "😀", "\0", "\ud800", "a" * 5000, "@x", "http://a.b", "ok"]
LANGUAGES += ["und"] * 10

assert len(TEXTS) == len(LANGUAGES) >= 300
