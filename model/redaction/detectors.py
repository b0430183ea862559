"""Detects what looks secret or personal: fields by name, values by format.

Every repetition in the patterns is bounded, possessive, or starts at a boundary only (the lookbehinds), so that no text
makes them take more than linear time.
"""

import re
from collections.abc import Callable

MASK = "[redacted]"
LONGEST_MATCH_CHARS = 1024  # of what is recognised only as a whole: a cut must not split it
LONGEST_NAME_CHARS = 256

_CREDENTIALS = ("authorization", "apikey", "cookie", "token", "secret", "password", "credential", "signature")
# Searched in the letters and digits of a name; the second list among its words; the third only as the whole name.
_SECRET_IN_NAME = re.compile(
    "|".join(_CREDENTIALS) + "|passw|passphrase|accesskey|privatekey|writekey"
    "|socialsecurity|creditcard|cardnumber|securitycode|phonenumber"
)
_SECRET_WORDS = frozenset({"pwd", "jwt", "otp", "cvc", "cvv", "ssn", "iban", "phone", "phones", "telephone"})
_SECRET_NAMES = frozenset({"auth", "xauth", "pin", "card", "pan", "sessionid", "sig"})
_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# In prose a colon after a word is common ("phone: must be a text"): only these names count there.
_SECRET_BEFORE_COLON = re.compile(
    "(?:password|passwd|pwd|passphrase|secret|token|authorization|apikey|accesskey|privatekey|signature|sig|cookie)$"
)

_NAME = re.compile(
    r"""
    (?<![A-Za-z0-9]) (?P<name> [A-Za-z] [\w.-]{0,63}+ )
    (?: \]? \s{0,3} =>? \s{0,3} | (?P<colon> \s{0,3} : \s{0,3} ) | \\{0,3} ["'] \s{0,3} (?: : | =>? ) \s{0,3} )
    """,
    re.VERBOSE,
)
_ONE_VALUE = re.compile(
    r"""
      \s{0,3} (?P<quote> \\{0,3} ["'] ) (?P<quoted> (?: (?!(?P=quote)) (?: \\. | . ) )*+ )
    | (?P<list> [\[{] [^\]}]*+ [\]}]? )
    | (?P<plain> (?: (?i:bearer|basic|token|digest|apikey|hmac|negotiate) [ +]{1,3} )? [^&\s"',;}]++ )
    """,
    re.VERBOSE | re.DOTALL,
)
_LINE = re.compile(r"(?P<plain>[^\r\n\"']++)")

# One pass over the text; the group that matched names the mask.
_VALUES = re.compile(
    r"""
      (?P<credentials> (?<=://) [^/\s:@]{0,256} : [^/\s@]{1,256} (?=@) )
    | (?P<email>   [\w.+-]{1,64}+ @ (?:[\w-]{1,63}\.){1,8} [^\W\d_]{2,24} )
    | (?P<bearer>  (?<![A-Za-z0-9]) (?i:bearer) [\s+]{1,3} [\w.~+/=-]{8,}+ )
    | (?P<basic>   (?<![A-Za-z0-9]) (?i:basic) [\s+]{1,3} (?=[A-Za-z0-9+/]{0,64}(?:[0-9=]|[a-z][A-Z]))
                   [A-Za-z0-9+/=]{12,}+ )
    | (?P<token>   (?<![\w-]) eyJ [\w-]{8,}+ \. [\w.-]{4,}+ )
    | (?P<key>     (?<![A-Za-z0-9]) (?:
                     [sprw]k_(?:live|test)_\w{8,}+ | sk-[\w-]{20,}+ | whsec_[\w+/=]{8,}+
                   | gh[opsu]_\w{20,}+ | github_pat_\w{20,}+ | glpat-[\w-]{20,}+ | xox[abeoprs]-[\w-]{10,}+
                   | SG\.[\w-]{16,}+\.[\w-]{16,}+ | (?:AKIA|ASIA)[A-Z0-9]{16} | AIza[\w-]{20,}+ | ya29\.[\w-]{20,}+
                   | [0-9A-Fa-f]{40,}+ (?![A-Za-z0-9]) ) )
    | (?P<card>    (?<![\d.]) [2-6] (?:[ +-]?\d){12,18} (?!\d) )
    | (?P<ssn>     (?<![\d-]) \d{3}-\d{2}-\d{4} (?![\d-]) )
    | (?P<phone>   (?<!\d) \+ [1-9] (?:[ ().-]{0,2}\d){7,14} (?!\d)
                 | (?<![\d-]) \(? [2-9]\d\d (?: \)[ ]? | [ .-] ) [2-9]\d\d [ .-] \d{4} (?![\d-]) )
    """,
    re.VERBOSE,
)


def plain_name(name: str) -> str:
    """Return the letters and digits of a name in lower case: spelling variants become equal."""
    return "".join(filter(str.isalnum, name[:LONGEST_NAME_CHARS].casefold()))


def is_secret_name(name: str) -> bool:
    """Say whether a field, header or parameter of this name usually holds something secret or personal."""
    plain = plain_name(name)
    if plain in _SECRET_NAMES or _SECRET_IN_NAME.search(plain):
        return True
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name[:LONGEST_NAME_CHARS]))


def looks_like_credential(name: str) -> bool:
    """Say whether a header or query parameter of this name usually carries credentials, as opposed to personal data."""
    plain = name.lower().replace("-", "").replace("_", "")
    return plain in {"auth", "xauth", "key"} or any(word in plain for word in _CREDENTIALS)


def mask_named(text: str, is_secret: Callable[[str], bool]) -> str:
    """Mask the values of ``name=value``, ``"name": "value"`` and the like, as in URLs, forms and quoted JSON."""
    if "=" not in text and ":" not in text:
        return text
    pieces, done = [], 0
    for found in _NAME.finditer(text):
        name = found["name"]
        if found.start() < done or not is_secret(name):
            continue
        pattern = _ONE_VALUE
        if found["colon"] is not None:
            plain = plain_name(name)
            if not _SECRET_BEFORE_COLON.search(plain):
                continue
            pattern = _LINE if plain.endswith("cookie") else _ONE_VALUE
        value = pattern.match(text, found.end())
        if value is not None and value.lastgroup is not None:
            pieces += [text[done : value.start(value.lastgroup)], MASK]
            done = value.end()
    return "".join([*pieces, text[done:]])


def mask_values(text: str) -> str:
    """Mask e-mail addresses, card numbers, phone numbers, tokens, keys and other known formats."""
    return _VALUES.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    found = match[0]
    match match.lastgroup:
        case "card":
            return "[redacted card]" if _passes_luhn(found) else found
        case "bearer" | "basic" as scheme:
            return f"{found[: len(scheme)]} [redacted token]"
        case kind:
            return f"[redacted {kind}]"


def _passes_luhn(text: str) -> bool:
    """Check the check digit of a payment card number."""
    digits = [int(char) for char in reversed(text) if char.isdecimal()]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
