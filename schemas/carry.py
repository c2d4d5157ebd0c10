"""An event passed on with a few fields written anew, and every other one as it came: also those not known here.

During an upgrade a newer worker writes fields that an older one behind it has never heard of. Decoding into a type and
encoding that again would lose them, without a word. So a stage decodes an event to check and to read it, and writes
the next one from the bytes: what it does not decide is copied, unread, at any depth.
"""

import msgspec

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def rewritten(data: bytes, changes: dict[str, object]) -> bytes:
    """Return the JSON object in ``data`` with ``changes`` (field -> what msgspec can encode) in place or at its end.

    ``data`` was decoded as an event before: this raises msgspec's errors where it is no object. The values that are not
    changed keep their bytes; of a name that is there twice the last one counts, as in decoding.
    """
    fields: dict[str, object] = dict(_fields.decode(data))
    fields.update(changes)
    return _encode(fields)


def fields_of(data: bytes) -> dict[str, msgspec.Raw]:
    """Name -> value, undecoded, of the JSON object in ``data``. Raises msgspec's errors where it is none."""
    return _fields.decode(data)
