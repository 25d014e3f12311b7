"""A moderation program of words, to begin with: patchworld serve --moderation "python -m patchworld.serve.rules".

It reads disguised words as people do: letters spaced out, look-alikes of other alphabets, letters that nobody sees,
digits for letters, signs between Chinese characters. It does not understand a sentence: what is said in other words
passes, and files are not looked at. How much it stops, and how much it stops that is harmless, is measured in
benchmarks/moderation_rules.py. WORDS is for every operator to make their own.

Tried by hand, without input, it blocks an example.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator

WORDS: dict[str, tuple[str, str]] = {
    # category: what is blocked, what is not though it holds such words; English words take endings
    "violence": (
        "torture|massacre|behead|decapitate|dismember|disembowel|mutilate|gore|gory|bloodbath|stab|strangle|murder|"
        "execution of|lynch|slaughter|酷刑|折磨|屠杀|斩首|肢解|血腥|谋杀|杀人|刺死|勒死|砍死|处决",
        "gore-tex|murder of crows|stab at|back stab|slaughter their opponent|狼人杀人数",
    ),
    "sexual": (
        "porn|pornographic|nude|nudity|naked|striptease|topless|erotic|orgy|explicit sex|having sex|sex scene|undress|"
        "色情|裸体|裸女|裸男|全裸|赤裸|脱衣舞|情色|性交|做爱|性爱",
        "nude lipstick|nude color|nude heel|nude shade|naked eye|naked mole|naked flame|naked truth|赤裸裸的真相|裸眼",
    ),
    "minors": (
        "(?:sexy|seductive) (?:child|kid|girl|boy|teen|schoolgirl)|lolicon|child abuse|underage|"
        "性感(?:的)?(?:女童|男童|儿童|女孩|小学生)|诱惑的(?:女童|儿童|小学生)|虐待儿童|虐童",
        "underage driving|against child abuse|防止虐待儿童",
    ),
    "self-harm": (
        "suicide|suicidal|self harm|hang(?:s|ing)? (?:himself|herself|myself)|cut(?:s|ting)? (?:his|her|my) wrist|"
        "slit(?:s|ting)? (?:his|her|my) wrist|kill(?:s|ing)? (?:himself|herself|myself)|anorexia|"
        "自杀|自残|割腕|上吊|自尽|轻生",
        "suicide prevention|suicide squeeze|防止自杀|预防自杀",
    ),
    "hate": (
        "swastika|nazi|hitler|ethnic cleansing|genocide|white power|white supremac(?:y|ist)|ku klux klan|master race|"
        "inferior race|subhuman|纳粹|希特勒|种族清洗|种族灭绝|白人至上|劣等民族|劣等种族|三K党",
        "nazi hunter|genocide memorial|genocide museum|反纳粹|种族灭绝纪念",
    ),
    "weapons": (
        "pipe bomb|nail bomb|car bomb|dirty bomb|bomb making|(?:build|make|making|building|assemble) (?:a |an )?bomb|"
        "nerve gas|sarin|grenade|assault rifle|machine gun|explosive|shooting spree|school shooting|bioweapon|weapon|"
        "武器|炸弹|枪支|步枪|机枪|手榴弹|炸药|毒气|沙林|枪击",
        "bath bomb|explosive growth|explosive color|explosive start|water bomb|泡泡浴炸弹|浴盐炸弹|炸弹人",
    ),
    "drugs": (
        "cocaine|heroin|meth|methamphetamine|crack pipe|fentanyl|ecstasy pill|snort|drug dealer|drug lab|lsd|"
        "毒品|可卡因|海洛因|冰毒|芬太尼|吸毒|贩毒|制毒|摇头丸|大麻烟",
        "heroin chic|禁毒|拒绝毒品",
    ),
    "deception": (
        "deepfake|fake news|fake footage|fake passport|fake id|counterfeit|forged|forge|impersonate|face swap|"
        "换脸|假新闻|伪造|假护照|假证|假钞|冒充|假视频",
        "fight fake news|forge ahead|blacksmith forge|the forge of|forged steel|forged iron|打击假新闻|防伪",
    ),
}
LOOKALIKES = str.maketrans(
    "аеорсухкмтвнігԁѕјӏαεορτυνικβ殺槍彈偽納種滅劣製販換處殘體斬護證鈔視頻誘齡",
    "aeopcyxkmtbhirdsjlaeoptuvikb杀枪弹伪纳种灭劣制贩换处残体斩护证钞视频诱龄",
)
DIGITS = [str.maketrans("0134578@$!", f"o{one}eastba" + "si") for one in "il"]  # who writes 1 may mean either
EXAMPLE = '{"stage": "input", "texts": ["a red ball", "a WE4\\u200bP0N"], "files": []}'


HIDDEN = ("Cf", "Mn", "Cc")  # categories of letters: joiners and the like, accents, control characters


def forms(text: str) -> Iterator[str]:
    """The ways in which a text may be meant: as it stands, signs as letters, spelled words joined, Chinese alone."""
    seen = (letter for letter in unicodedata.normalize("NFKD", text) if unicodedata.category(letter) not in HIDDEN)
    plain = "".join(seen).casefold().translate(LOOKALIKES)
    yield plain
    yield re.sub(r"[^\u4e00-\u9fff]", "", plain)
    for digits in DIGITS:
        read = plain.translate(digits)
        yield re.sub(r"(?<=[a-z])[^a-z\s]+(?=[a-z])", "", read)
        spelled = re.sub(r"(?<![a-z])(?:[a-z][^a-z])+[a-z](?![a-z])", lambda run: re.sub("[^a-z]", "", run[0]), read)
        yield spelled
        yield re.sub(r"(?<![a-z])a(?=[a-z])", "", spelled)  # of "a w e a p o n" the article, too, was joined


def blocked_for(text: str) -> str | None:
    """The category of what a text asks for, if it is one that is blocked."""
    for form in (" ".join(form.split()) for form in forms(text)):
        for category, (words, harmless) in WORDS.items():
            pattern = rf"(?<![a-z])(?:{words})(?:s|es|d|ed|ing|y)?(?![a-z])".replace(" ", " ?")
            if re.search(pattern, re.sub(harmless, "-", form)):
                return category
    return None


def main() -> None:
    asked = json.loads(sys.stdin.read().strip() or EXAMPLE)
    found = next(filter(None, map(blocked_for, asked["texts"])), None)
    print(
        json.dumps(
            {"blocked": bool(found), "reason": f"it seems to ask for something of the kind: {found}" if found else ""}
        )
    )


if __name__ == "__main__":
    main()
