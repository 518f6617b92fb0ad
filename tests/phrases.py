"""Phrases that read foreign in English, with what to write instead, and where prose is: documents, manual pages, comments,
remarks of transcripts (except those that quote a manual), messages, names of tests. house.py uses them; house_test.py has an example of each row."""
import pathlib
import re

LEAVE = r"(?!(?:left|leaves?|leaving|let)\b)"

# Pattern, in which a blank matches any white space; what to write instead.
PHRASES = (
    (r"\bst(?:and|ands|ood)\b(?! (?:for|in for)\b)", "is, appears"),
    (r"\b(?:is|are|was|were|be|been) told\b", "is reported, is notified"),
    (r"\b(?:is|are|was|were) said\b", "is reported, is printed"),
    (rf"\b{LEAVE}\w+ {LEAVE}\w+ {LEAVE}[\w-]+ alone(?=[.,;:)]| and\b)", "only"),
    (r"\bpass(?:ed|es)? over\b", "ignored"),
    (r"\blet(?:s|ting)? go\b", "release, drop, close"),
    (r"\banew\b", "again, from scratch"),
    (r"(?<!there\s)\b(?:is|are|was|were) no(?= )(?! (?:longer|more|match|different)\b)", "is not a ..."),
    (r"\b(?:at|in) (?:its|their) place\b", "there, instead"),
    (r"(?<=[.;:]\s)(?-i:Who|What) [^?.]*\.", "name the subject: users who, code that"),
    (r"\b(?:gives?|gave|given|giving) back\b", "return, release"),
    (r"\bhand(?:s|ed)? out\b", "return, yield"),
    (r"\bma(?:kes?|de|king) (?:an?|the|this) (?:new )?(?:file|SA|socket|device|folder|TUN device)\b", "create"),
    (r"\bmade again\b", "created again"),
    (r"\blook(?:s|ed|ing)? at\b", "check, inspect, read"),
    (r"\b(?:has|have) to\b", "must"),
    (r"\b(?:is|are) to (?:be|have|do)\b", "must, should"),
    (r"\bthe other way (?:a?round)\b", "reversed, swapped"),
    (r"\bin turns?\b", "alternately, one after the other"),
    (r"\bso many\b|\bas many as\b", "N, the number of"),
    (r"\b(?:is|are|was|were|be|been) asked for\b", "is requested, is needed"),
    (r"\bgo(?:es|ing)? on\b", "continue"),
    (r"\b(?:comes?|came) back\b", "is restored, is returned, returns"),
    (r"\bsay that (?:the|an) SA\b", "mark the SA"),
    (r"\bnobody knows\b", "an unknown ..."),
    (r"\btakes? its place\b", "replaces it"),
    (r"\bin hand\b", "being handled, not yet sent"),
    (r"\bbelong(?:s|ed)? into\b", "belong in"),
    (r"\bif need be\b", "if needed"),
    (r"\bshall\b", "must, will"),
    (r"\b(?:what|that|which) there (?:is|are)(?=[.,;:)\"|\n]| (?:to|in|for)\b)", "name it; existing"),
    (r"\b(?:say|says|said|tell|tells|told) (?:\w+ )?of\b", "say about, describe"),
    (r"\b(?:hears?|heard) of\b", "is notified of, learn about"),
    (r"\bheed(?:s|ed)?\b", "use, take into account"),
    (r"\bturned round\b", "swapped, reversed"),
    (r"\bfor ever\b", "forever, for good"),
    (r"\bis no (?:other )?case\b", "is handled alike"),
    (r"\balso (?:if|when|where)\b", "even if, even when"),
    (r"\banother [\w-]+ than\b", "a different ... from, a ... other than"),
    (r"\bnothing of (?:an?|the|its?|this|that)\b", "no part of, none of"),
    (r"\bthe ones? of (?!them|these|those)", "that of, those of"),
    (r"\bgo(?:es)? by\b", "use, leave by, be covered by"),
    (r"\bcom(?:e|es) of\b", "result from"),
    (r"\bhold(?:s|ing)? (?:\w+ ){1,4}against\b", "compare with"),
    (r"\bnot to be (?!confused)\w+ed\b", "must not be, cannot be"),
    (r"\bno whole\b", "not a whole"),
    (r"\bto be had\b", "available"),
    (r"\bwhat (?:became|becomes) of\b", "the result of"),
    (r"\b(?:is|are) wanted\b", "is needed, is requested"),
)


def compiled(rows):
    return tuple((re.compile(pattern.replace(" ", r"\s+"), re.I), instead) for pattern, instead in rows)


COMPILED = compiled(PHRASES)

# Everything that is not prose becomes this, which no phrase crosses; white space is kept, so that lines can be counted.
GAP = "\x01"
NAMED_TEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*\w+,\s*(\w+)\)|\bdef (test_\w+)\(")
MARKDOWN_FENCE = re.compile(r"^( *)```.*?^\1```[ \t]*$", re.S | re.M)
MARKDOWN_CODE = re.compile(r"^( *```).*?^\1[ \t]*$|`[^`\n]+`", re.S | re.M)
ROFF_CODE = re.compile(r"^\.Bd -literal.*?^\.Ed$|^\.\\\".*?$|^@.*?$", re.S | re.M)
ROFF_MACRO = re.compile(r"^\.[A-Z][a-z]?\b", re.M)
CPP = re.compile(r"(?P<comment>//+<?[^\n]*)|'(?:[^'\\\n]|\\[^'\n]*|\\')'|R\"\((?P<raw>.*?)\)\"|(?P<literal>\"(?:[^\"\\\n]|\\.)*\")", re.S)
PYTHON = re.compile(r"(?P<raw>\"\"\".*?\"\"\")|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|(?P<comment>#[^\n]*)", re.S)
HASH = re.compile(r"(?:^|(?<=\s))(?P<comment>#[^\n]*)", re.M)
REMARK = re.compile(r"^(?P<comment>#[^\n]*)", re.M)


def blank(text: str) -> str:
    return re.sub(r"[^\s]", GAP, text)


def only(pattern: re.Pattern, text: str) -> str:
    """The text of the pattern's named groups; comments without their marks, adjacent literals without quotes."""
    out, last = [], 0
    for match in pattern.finditer(text):
        between = text[last:match.start()]
        out.append(re.sub(r"\S", " ", between) if not between.strip() else blank(between))
        group = match.lastgroup
        if group is None:
            out.append(blank(match[0]))
        else:
            shown = re.sub(r"^[/#<]+", lambda mark: " " * len(mark[0]), match[0]) if group == "comment" else \
                re.sub('["]', " ", match[0])
            out.append(shown)
        last = match.end()
    return "".join(out) + blank(text[last:])


def words_of(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()


def prose(path: str, text: str):
    """Pieces of prose, each with the number of its first line."""
    name, suffix = pathlib.PurePosixPath(path).name, pathlib.PurePosixPath(path).suffix
    if suffix == ".md":
        yield 1, MARKDOWN_CODE.sub(lambda code: blank(code[0]), text)
    elif path.startswith("man/"):
        yield 1, ROFF_MACRO.sub(lambda macro: " " * len(macro[0]), ROFF_CODE.sub(lambda code: blank(code[0]), text))
    elif suffix in (".cc", ".h"):
        yield 1, only(CPP, text)
    elif path.startswith("tests/transcripts/") and suffix == ".txt" and not name.startswith("manual_"):
        yield 1, only(REMARK, text)
    elif suffix == ".py" or (text.startswith("#!") and "python" in text.splitlines()[0]):
        yield 1, only(PYTHON, text)
    elif suffix in ("", ".sh", ".cmake", ".service", ".socket", ".conf", ".in") or name == "CMakeLists.txt":
        yield 1, only(HASH, text)
    if suffix in (".cc", ".py"):
        for match in NAMED_TEST.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, words_of(match[1] or match[2])


def found(path: str, text: str):
    """(line, phrase, what to write instead) of each phrase."""
    if path in ("tests/phrases.py", "tests/house_test.py", "LICENSE"):
        return
    for first, piece in prose(path, text):
        for pattern, instead in COMPILED:
            for match in pattern.finditer(piece):
                yield first + piece.count("\n", 0, match.start()), " ".join(match[0].split()), instead
