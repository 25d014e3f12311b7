"""A moderation program of words, to begin with: patchworld serve --moderation "python -m patchworld.serve.rules".

It reads disguised words as people do: letters spaced out, look-alikes of other alphabets, letters that nobody sees,
digits for letters, signs between Chinese characters. It does not understand a sentence: what is said in other words
passes, and files are not looked at. How much it stops, and how much it stops that is harmless, is measured in
benchmarks/moderation_rules.py: of prompts that its authors had not seen, far too little. WORDS and PAIRS are for every
operator to make their own.

Tried by hand, without input, it blocks an example.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache

WORDS: dict[str, tuple[str, str]] = {
    # category: what is blocked, what is not though it holds such words; English words take endings
    "violence": (
        "torture|massacre|behead|decapitate|dismember|disembowel|mutilate|gore|gory|bloodbath|stab|strangle|murder|"
        "execution of|execute (?:prisoner|hostage|civilian)|lynch|slaughter|"
        "(?:beat|beaten|shot|choke|kick|stone)s? to death|"
        "burn(?:ed|t)? alive|beats? up|guts spill|酷刑|折磨|屠杀|斩首|砍头|枭首|肢解|血腥|谋杀|杀人|处决|枪决|"
        "虐杀|虐待|殴打|毒打|"
        "[刺勒砍捅打踢烧掐毒炸射]死|捅人|砍人|灭门|凌迟|鲜血喷",
        "gore-tex|murder of crows|stab at|back stab|slaughter their opponent|狼人杀人数|打死结|防止虐待",
    ),
    "sexual": (
        "porn|pornographic|nude|nudity|naked|striptease|stripper|topless|erotic|orgy|explicit sex|having sex|"
        "sex scene|undress|"
        "rape|rapist|molest|sexual assault|masturbate|masturbating|touch(?:es|ing)? (?:herself|himself)|oral sex|"
        "genital|hardcore sex|"
        "色情|裸体|裸女|裸男|裸照|裸聊|全裸|赤裸|脱衣舞|情色|性交|做爱|性爱|强奸|强暴|轮奸|猥亵|自慰|手淫|口交|"
        "一丝不挂|生殖器|黄色录像|成人片",
        "nude lipstick|nude color(?:ed)?|nude colour(?:ed)?|nude heel|nude shade|naked eye|naked mole|naked flame|"
        "naked truth|"
        "赤裸裸的真相|裸眼|做爱[国心]",
    ),
    "minors": (
        "lolicon|shotacon|child abuse|underage|child porn(?:ography)?|pedophile|paedophile|虐待儿童|虐童|恋童|"
        "幼女|娈童",
        "underage driving|against child abuse|防止虐待儿童",
    ),
    "self-harm": (
        "suicide|suicidal|self harm|hang(?:s|ing)? (?:himself|herself|myself|yourself)|"
        "kill(?:s|ing)? (?:himself|herself|myself|yourself)|"
        "(?:cut|slit)(?:s|ting)? (?:(?:his|her|my|your|their|both|own) ){1,2}(?:wrist|vein)|"
        "end(?:s|ing)? (?:his|her|my|your) (?:own )?life|"
        "overdose on|pro ?-?ana|thinspo|anorexia|自杀|自残|自伤|割腕|割脉|上吊|自尽|轻生|寻死|结束(?:自己的)?生命|"
        "跳楼自|服毒",
        "suicide prevention|suicide squeeze|防止自杀|预防自杀|上吊[桥灯]",
    ),
    "hate": (
        "swastika|nazi|hitler|ethnic cleansing|genocide|white power|white supremac(?:y|ist)|ku klux klan|master race|"
        "inferior race|subhuman|racial purity|gas the|纳粹|希特勒|种族清洗|种族灭绝|白人至上|劣等民族|劣等种族|"
        "三K党|支那|黑鬼",
        "nazi hunter|genocide memorial|genocide museum|反纳粹|种族灭绝纪念",
    ),
    "weapons": (
        "pipe bomb|nail bomb|car bomb|dirty bomb|bomb making|petrol bomb|molotov|ghost gun|land ?mine|"
        "nerve gas|nerve agent|poison gas|sarin|grenade|assault rifle|machine gun|explosive|shooting spree|"
        "school shooting|bioweapon|weapon|"
        "武器|炸弹|枪支|步枪|机枪|手榴弹|炸药|毒气|沙林|枪击|燃烧瓶|土枪|弹药",
        "bath bomb|explosive growth|explosive color|explosive start|water bomb|泡泡浴炸弹|浴盐炸弹|炸弹人|种子炸弹",
    ),
    "drugs": (
        "cocaine|heroin|meth|methamphetamine|crack pipe|fentanyl|ecstasy pill|snort (?:a )?line|drug dealer|drug lab|"
        "lsd|ketamine|mdma|"
        "magic mushroom|毒品|可卡因|海洛因|冰毒|芬太尼|吸毒|贩毒|制毒|摇头丸|大麻烟|吸大麻|抽大麻|氯胺酮|迷幻药|"
        "溜冰毒|打K粉",
        "heroin chic|禁毒|拒绝毒品",
    ),
    "deception": (
        "deepfake|fake news|fake footage|fake passport|fake id|counterfeit|forged|forge|impersonate|impersonating|"
        "face ?-?swap|"
        "swap(?:s|ped)? (?:the |her |his )?face|phish|scam|换脸|换到别人的身体|假新闻|伪造|假护照|假证|假钞|冒充|"
        "假视频|诈骗|骗取|"
        "钓鱼(?:视频|网站|邮件|短信|链接)",
        "fight fake news|forge ahead|blacksmith forge|the forge of|forged steel|forged iron|scampi|打击假新闻|防伪|"
        "[防反]诈骗",
    ),
}
PAIRS: dict[str, tuple[str, str, str]] = {
    # category: blocked where a word of the first list and one of the second are in one text; and what is not
    "minors": (
        "child|children|kid|girl|boy|teen|teenager|schoolgirl|schoolboy|preteen|toddler|"
        "(?:[a-z]+|[1-9]|1[0-7]) ?-? ?year ?-? ?old|"
        "儿童|孩子|小孩|女童|男童|小学生|中学生|女学生|未成年|小女孩|小男孩|萝莉|女孩|男孩|[一二三四五六七八九十]岁",
        "sexy|sexual|seductive|undress|naked|nude|strip|striptease|porn|erotic|lust|lingerie|molest|fondle|"
        "性感|诱惑|脱光|脱衣|裸|色情|情色|猥亵|挑逗|淫|性侵|内衣",
        "裸眼|裸麦",
    ),
    "hate": (
        "jew|muslim|islam|black people|black men|africans|asians|arabs|gays|immigrant|refugee|gypsy|gypsies|"
        "roma people|"
        "犹太|穆斯林|回民|黑人|白人|亚裔|同性恋|移民|难民|吉普赛",
        "rat|vermin|monkey|ape|cockroach|parasite|pig|animals|plague|driven out|drive out|exterminate|wipe out|expel|"
        "deport them all|inferior|hang them|"
        "老鼠|害虫|猴子|猩猩|蟑螂|寄生虫|画成猪|畜生|赶出|消灭|灭绝|驱逐|低等|劣等|滚出",
        "",
    ),
    "weapons": (
        "how to|build|make|making|building|assemble|instruction|tutorial|guide|convert|converting|print|printing|"
        "printed|homemade|home made|step by step|"
        "怎样|怎么|如何|教你|教人|教程|制作|自制|制造|改装|改造|步骤|配制|配方|打印",
        "bomb|gun|rifle|pistol|firearm|silencer|ammunition|ammo|detonator|explosive|炸弹|枪|子弹|引爆|雷管|消音器|"
        "火药|毒剂",
        "nail gun|glue gun|water gun|water pistol|bath bomb|seed bomb|cherry bomb|photo bomb|toy gun|水枪|胶枪|"
        "玩具枪|浴盐|"
        "种子炸弹|喷枪|枪虾|枪乌贼|博物馆",
    ),
    "drugs": (
        "how to|grow|growing|sell|selling|buy|smoke|smoking|inject|injecting|snort|deal|cook|cooking|tutorial|"
        "怎样|如何|"
        "教人|教程|种植?|卖|买|抽|吸食?|注射|制作",
        "cannabis|marijuana|crystal meth|hashish|opium|ecstasy pill|amphetamine|大麻|鸦片|罂粟壳|毒粉|冰毒|K粉",
        "亚麻|大麻哈鱼|大麻鱼",
    ),
    "deception": (
        "fake|pretend to be|pose as|posing as|trick|lure|steal|invented|never happened|骗|假装|盗取|套取|从未发生|虚构",
        "password|bank account|credit card|pin code|pensioner|election|ballot|earthquake|official statement|密码|"
        "银行卡|"
        "验证码|转账|选举|官方声明|养老金",
        "",
    ),
    "self-harm": (
        "swallow|swallowing|overdose|starve|starving|jump|jumping|cut|cutting|burn|吞|割|饿|跳|服",
        "end it all|to die|want to die|kill yourself|too thin|to be thin|自己的手臂|想死|去死|安眠药|一了百了|骨瘦",
        "",
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
            if _has(words, re.sub(harmless, "-", form)):
                return category
        for category, (ones, others, harmless) in PAIRS.items():
            left = re.sub(harmless, "-", form) if harmless else form
            if _has(ones, left) and _has(others, left):
                return category
    return None


@cache
def _pattern(words: str) -> re.Pattern[str]:
    """Any of the words with English endings; a last consonant may be doubled before one, as in "stabbed"."""
    return re.compile(rf"(?<![a-z])(?:{words})(?:[bdgmnprt]?(?:s|es|d|ed|er|ers|ing|y))?(?![a-z])".replace(" ", " ?"))


def _has(words: str, text: str) -> bool:
    return _pattern(words).search(text) is not None


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
