"""What languages put before and after a name without a space: case endings, articles, particles, prefixes.

All lists are in folded form (see ``fold``), so ``ä`` is ``a`` here and ``ı`` is ``i``. They are short on purpose: an
ending that is also the end of a common word costs more than it finds. What they miss is in `docs/brands.md`.
"""

import re
from typing import Final

from pipeline.brands.fold import fold


def _lists(table: dict[str, str]) -> dict[str, frozenset[str]]:
    return {language: frozenset(map(fold, words.split())) for key, words in table.items() for language in key.split()}


def _words(text: str) -> frozenset[str]:
    return frozenset(map(fold, text.split()))


ENDINGS: Final = _lists(
    {
        "en": "s es",
        "fr es pt it ca gl nl de": "s",
        "sv da no nn": "s en ens et ets",
        "ru be": "а у ом ем е ы и ов ев ам ами ах",
        "uk": "а у ові еві ом ем і и ів їв ам ами ах",
        "bg": "а ът та то ове овете и ите",
        "mk": "от ов он та то те и ите",
        "sr sr-Latn hr bs": "a u om em e i ima ov ova ovi ove а у ом ем е и има ов ова ови ове",
        "pl": "a u owi em iem ie y i e ow om ami ach owie",
        "cs": "u a em e ovi y i um ech ich ami uv ova ovy ove",
        "sk": "u a om e ovi y i ov och mi ami am ova ove",
        "sl": "a u om em i e ih ov ev ova",
        "fi": "n ssa sta an lla lta lle a ta ksi na tta t jen ja in issa ista iin illa ilta ille ia iksi ina itta"
        " it ien",
        "et": "i it is ist ile il ilt iks iga ita id ide ga le st s l lt ks ta d sse isse",
        "hu": "t ot et at nak nek val vel szal szel sal sel ban ben bol ba be rol ra re on en nal nel hoz hez tol"
        " ert kent ig os es as ok ek ak e a om em",
        "lt": "as o ui a u e ai us ais uose i",
        "lv": "s a am u i us iem os",
        "tr az": "i u in un e a de da den dan te ta ten tan le la yi yu ya ye nin nun si su ler lar lu li im um imi"
        " ci cu yla yle",
        "ro": "ul ului ele uri urile urilor a ei lui",
        "id ms": "nya ku mu lah kah pun",
        "ka": "ს მა ის ით ად ი ში ზე თან დან ისთვის ები",
        "hy": "ը ն ի ին ից ով ում ներ",
        "hi": "का की के को में से ने पर वाला वाली वाले ों ओं भी ही तो जी",
        "mr": "चा ची चे च्या ला ने त मध्ये शी वर हून साठी ना नी चं",
        "ne": "को का की मा ले लाई बाट हरु हरू सँग",
        "bn": "র এর ের কে টা টি তে ে য় ও ই গুলো দের",
        "fa": "ها های هایی ی ای م ت ش رو را",
    }
)
"""Language -> what may follow a name up to the end of the word."""

_A, _IA, _Y = "ы и е у ой ей ою ам ами ах", "и е ю ей ею ям ями ях й", "я ю ем е и ей ев ям ями ях ью"
STEM_ENDINGS: Final[dict[str, dict[str, frozenset[str]]]] = {
    last: _lists(table)
    for last, table in {
        "а": {
            "ru be": _A,
            "uk": "и і у ою ам ами ах",
            "bg": "ата",
            "mk": "ата",
            "sr": "е и у ом ама",
        },
        "я": {"ru be": _IA, "uk": "і ї ю єю ям ями ях ї"},
        "й": {"ru be": _Y, "uk": "я ю єм ї єві ів ям ями ях"},
        "ь": {"ru be": _Y, "uk": "я ю ем і еві ів ям ями ях"},
        "о": {"ru be": "а у ом е", "uk": "а у ом і"},
        "a": {
            "pl": "y i e ie o om ami ach",
            "cs": "y e u ou o am ach ami",
            "sk": "y e u ou am ach ami",
            "sl": "e i o am ah ami",
            "sr-Latn hr bs": "e i u om ama",
        },
        "o": {"pl": "a u em ie", "cs": "a u em e", "sk": "a u om e", "sr-Latn hr bs": "a u om em"},
    }.items()
}
"""Last letter of a name -> language -> what may stand in its place: Вега, Веги, Вегу."""

MAX_ENDING: Final = 8
MIN_INFLECTED: Final = 3
"""Letters that a name must have to take endings."""

_ARTICLE = re.compile(r"(?:[وف])?(?:[بلك]?|[هع])(?:ال)?|(?:[وف])?لل")


def is_arabic_prefix(prefix: str) -> bool:
    """Conjunction, preposition and article in their order: و، ف، ب، ل، ك، ال، لل; colloquial هال، عال."""
    return _ARTICLE.fullmatch(prefix) is not None


ARABIC_BEFORE_STEM: Final = _words("لل ولل فلل")
"""Before a name that loses its own article: الواحة, للواحة."""
MAX_PREFIX: Final = 5

_HEBREW = re.compile(r"ו?ש?(?:כש)?[מבלכ]?ה?")


def is_hebrew_prefix(prefix: str) -> bool:
    """The letters ו ש כש מ ב ל כ ה in their order."""
    return _HEBREW.fullmatch(prefix) is not None


HIRAGANA_AFTER: Final = tuple(
    _words("は が を に の で と も へ や か ね よ だ です から まで って じゃ より なら さん ちゃん みたい っぽ")
)
"""What may follow a name in hiragana."""
HIRAGANA_BEFORE: Final = frozenset("はがをにのでともへや")

KOREAN_PARTICLES: Final = _words("""
    은 는 이 가 을 를 의 에 에서 에게 에선 한테 와 과 도 로 으로 만 까지 부터 보다 처럼 랑 이랑 하고 이나 나 라도
    이라도 요
    이요 라는 이라는 라고 이라고 란 이란 마다 조차 밖에 들 들이 들은 들의 들을 인데 이네 네 네요 이네요 다 이다
    입니다 이에요 예요 야 이야 에는 에도 에서는 에서도 에만 로는 으로는 로만 로도 와는 과는 까지는 까지도
    부터는 보다는 보다도
    만의 만이 만은 만을 이고 고 지만 이지만 님 씨 측 측은 측이
""")
MAX_KOREAN: Final = 24
"""Jamo of the longest particles and one more."""

GERMAN_HEADS: Final = _words("""
    abo abos account akku aktie aktien aktionär aktionäre angebot angebote anzeige anzeigen app apps auftritt
    artikel besitzer bestellung besuch betrug chef chefin chefs deal deals debakel desaster ding dinger
    entwickler event fan fans fabrik familie fiasko filiale filialen firma geschäft gerät geräte gutschein
    gutscheine händler handy handys hotline hülle hype image jubiläum kamera karte karten kauf käufer kasse
    katastrophe kette konto konzern kunde kunden kundin kundinnen kundendienst kundenservice kurs laden läden
    lieferung logo manager marke marken markt märkte mitarbeiter mitarbeiterin mitarbeitern modell modelle
    nutzer nutzerin nutzern panne partner paket plan preis preise problem probleme produkt produkte produkten
    programm projekt qualität rabatt rechnung reklame restaurant rückruf seite service shop shops skandal
    software sprecher sprecherin standort store stores support team telefon test tests update updates umsatz
    verkäufer verkauf verpackung versand vertrag video videos webseite website werbung werbespot werk zahlen
    zentrale zubehör
""")
"""Second parts of compounds with a brand: Nimbuskunde, Nimbusaktie. A fugen-s may stand between."""
COMPOUNDING: Final = frozenset(
    {"de", "nl", "sv", "da", "no", "nn", "is", "fi", "et", "hu", "lb", "gsw", "nds", "af", "fy"}
)
"""Languages in which ``compounds: true`` has an effect."""
MIN_COMPOUND_PART: Final = 3
MAX_COMPOUND: Final = 40
