"""The catalogues, and the notebooks and README that are made from them."""

import ast
import re
from collections import Counter
from functools import cache, partial
from pathlib import Path

import nbformat
import notebook_lint as lint
import pytest
from markdown_it import MarkdownIt

import translations
from helpers import language
from helpers.language import fonts

ROOT = Path(__file__).parents[2]
ZH = "zh_CN"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LATE = "run `make translations` and translate what is new"

CHINESE = "[\u4e00-\u9fff]"
CODE = r"`[^`]*`"
KEPT = rf"{CODE}|\$[^$]+\$|\]\([^)]*\)|<[^>]*>|\{{[^{{}}]*\}}|https?:\S+|\\[nt]"
NAMES = (
    r"\w+\([^)]*\)?|\((?:\w+, )+\w+\)|\w+=\S+|\w*[_.]\w[\w.]*|"
    r"\[[\w ]+\]\([^)]*\)|\*Kernel\*|\bParameters?\b"
)
TERMS = dict(
    re.findall(
        r"^\| ([a-z][a-z -]*) \| (.+?) \|$",
        (ROOT / "locale" / ZH / "GLOSSARY.md")
        .read_text()
        .partition("## 术语：按意思选")[0],
        re.MULTILINE,
    )
)


templates = cache(translations.templates)
catalogue = cache(partial(translations.read, ZH))


def messages(domain):
    """(English, Chinese) of each form of each message."""
    for message in catalogue(domain):
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[-1]
            for form in translations.forms(message.string):
                yield english, form


@pytest.fixture(params=translations.DOMAINS)
def domain(request):
    return request.param


def test_every_sentence_is_translated(domain):
    assert not translations.left(catalogue(domain)), LATE


def test_no_sentence_is_new_and_none_is_out_of_date(domain):
    there = {str(message.id) for message in catalogue(domain)}
    assert there == {str(message.id) for message in templates()[domain]}, LATE


def test_what_is_read_is_what_was_translated(domain):
    compiled = ROOT / "locale" / ZH / "LC_MESSAGES" / f"{domain}.mo"
    assert compiled.read_bytes() == translations.as_mo(catalogue(domain)), LATE


def test_fields_stay_as_they_are(domain):
    for english, chinese in messages(domain):
        fields = [
            Counter(translations.FIELD.findall(one)) for one in (english, chinese)
        ]
        assert fields[0] == fields[1], chinese


@pytest.mark.parametrize("domain", ["notebooks", "readme"])
def test_code_formulas_and_links_stay_as_they_are(domain):
    for english, chinese in messages(domain):
        if "中文" in english:
            continue  # the link to the other language
        for kept in (CODE, r"\$[^$]+\$", r"\]\([^)]*\)"):
            found = [sorted(re.findall(kept, one)) for one in (english, chinese)]
            assert found[0] == found[1], chinese


@pytest.mark.parametrize("domain", ["notebooks", "readme"])
def test_emphasis_closes(domain):
    markdown = MarkdownIt("commonmark")
    for english, chinese in messages(domain):
        stars = [
            re.sub(
                rf"<code>.*?</code>|{KEPT}", "", markdown.render(one), flags=re.DOTALL
            )
            for one in (english, chinese)
        ]
        assert stars[1].count("*") <= stars[0].count("*"), chinese


RULES = {
    "a space between Chinese and Latin letters": (
        f"{CHINESE}[A-Za-z0-9]|[A-Za-z0-9%]{CHINESE}"
    ),
    "full-width punctuation": (
        rf"{CHINESE}[,;:?!](?!\w)|{CHINESE}\.(?!\w|\.)|[,;?!]{CHINESE}"
    ),
    "no space beside it": r"[，。：；？！）] (?! |$)|\S [，。：；？！）”]",
    "“” for quotes": f'{CHINESE}"{CHINESE}',
    "no space before %": r" %(?!\w)",
}


@pytest.mark.parametrize("rule", RULES)
def test_the_chinese_follows_the_rules_of_its_glossary(rule, domain):
    instead = "0" if rule.startswith("no space") else ""
    for _, chinese in messages(domain):
        text = re.sub(KEPT, instead, chinese)
        assert not re.search(RULES[rule], text), chinese


def test_one_english_term_is_one_chinese_term(domain):
    for english, chinese in messages(domain):
        said = re.sub(rf"{KEPT}|{NAMES}", " ", english).lower()
        for term, translated in TERMS.items():
            if re.search(rf"(?<![\w-]){term}(s|es|ed|ing|ting)?(?![\w-])", said):
                assert translated in chinese, f"{term}: {translated}, not in: {chinese}"


def test_each_answer_to_a_question_has_its_own_translation():
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, 4).cells:
            for options in re.findall(r"predict\((.*)\)", cell.source, re.DOTALL):
                known = [
                    chinese
                    for english, chinese in messages("notebooks")
                    if f'"{english}"' in options
                ]
                assert len(set(known)) == len(known), path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_what_its_catalogue_makes_of_the_english_one(path):
    translate = translations.translator(catalogue("notebooks"))
    stored = nbformat.read(path.parent / ZH / path.name, 4)
    made = translations.notebook_in(ZH, nbformat.read(path, 4), stored, translate)
    assert nbformat.writes(made) == nbformat.writes(stored), LATE


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_code_is_the_same_to_the_letter(path):
    there = nbformat.read(path.parent / ZH / path.name, 4).cells
    for cell, own in zip(nbformat.read(path, 4).cells, there, strict=True):
        assert (cell.id, cell.cell_type) == (own.id, own.cell_type)
        if cell.cell_type == "code" and cell.id != translations.SET_UP:
            assert _bare(cell.source) == _bare(own.source), own.source


class _Bare(ast.NodeTransformer):
    """Leaves out what strings say."""

    def visit_JoinedStr(self, node):
        return ast.Constant("")

    def visit_Constant(self, node):
        return ast.Constant("") if isinstance(node.value, str) else node


def _bare(source):
    """The code, without comments, and what the fields of its strings compute."""
    fields = [
        ast.unparse(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FormattedValue)
    ]
    return ast.unparse(_Bare().visit(ast.parse(source))), sorted(fields)


# Rules about English wording.
OF_ENGLISH = {
    "it_can_be_opened_elsewhere",
    "slow_cells_say_how_long",
    "the_exercises_take_what_the_page_says",
    "the_minutes_hold",
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_keeps_the_rules_of_notebooks(path):
    notebook = lint.Notebook.load(path.parent / ZH / path.name)
    rules = [rule for rule in lint.RULES if rule.__name__ not in OF_ENGLISH]
    assert [one for rule in rules for one in notebook.findings(rule)] == []


# Words of code, settings and their values, which stay as they are.
OF_CODE = set(
    "backward cache constant drawn grid hidden init kaiming mean meta normal randn "
    "random relu reshape scale scaled sigma sigmoid tanh test train val xavier "
    "zeros".split()
)
WORD = re.compile(r"(?<![\w./-])[a-z]{3,}(?![\w.(=-])")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_single_word_that_its_code_prints_is_left_in_english(path):
    cells = nbformat.read(path.parent / ZH / path.name, 4).cells
    cells = [cell for cell in cells if cell.cell_type == "code"]
    held = {
        word
        for cell in cells
        for node in ast.walk(ast.parse(translations.plain(cell.source)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if not translations.is_prose(node.value)  # else it is a message
        for word in WORD.findall(node.value)
    }
    printed = " ".join(
        output.get("text", "") for cell in cells for output in cell.outputs
    )
    assert held & set(WORD.findall(printed)) <= OF_CODE


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_prints_has_no_blank_beside_full_width_punctuation(path):
    cells = nbformat.read(path.parent / ZH / path.name, 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    for line in "\n".join(output.get("text", "") for output in outputs).splitlines():
        assert not re.search("[，。：；？！] | [，。：；？！]", line), line
        assert not re.search(RULES["full-width punctuation"], line), line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_links_stay_within_the_language(path):
    there = path.parent / ZH
    cells = nbformat.read(there / path.name, 4).cells
    for cell in (one for one in cells if one.cell_type == "markdown"):
        for target in re.findall(r"\]\(([^)#:]+)\)", cell.source):
            assert (there / target).exists(), target
            assert (there / target).parent == there or "English" in cell.source
        for place in re.findall(r"blob/main/(notebooks/[^)]+)", cell.source):
            assert place == f"notebooks/{ZH}/{path.name}"


# What those who ask the source's questions in Chinese would search for.
SEARCHED = """
    初始化 标准正态分布 均值 标准差 梯度爆炸 梯度消失 反向传播 前向传播 自动注册 优化器
    权重矩阵 线性变换 矩阵乘法 神经元 隐藏层 激活函数 欠拟合 过拟合 复杂度 拟合能力
    精度 表达能力 学习率 收敛 轮数 超参数 联合优化 组合爆炸 相互依赖 正则化 网格搜索
    随机搜索 贝叶斯优化 基于模型的优化 高斯过程 帕岑 Hyperopt Spearmint
""".split()


@pytest.mark.parametrize("words", SEARCHED)
def test_the_sources_questions_are_found_by_their_usual_words(words):
    assert any(words in chinese for _, chinese in messages("notebooks"))


def test_the_readme_is_what_its_catalogue_makes_of_the_english_one():
    translate = translations.translator(catalogue("readme"))
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    chinese = (ROOT / f"README.{ZH}.md").read_text(encoding="utf-8")
    assert translations.readme_in(ZH, english, translate) == chinese, LATE


def test_pictures_can_write_every_letter_of_the_catalogues():
    from fontTools.ttLib import TTFont

    drawn = [*messages("helpers"), *messages("notebooks")]
    said = {letter for _, text in drawn for letter in text}
    wide = {letter for letter in said if ord(letter) >= 0x2E80}
    with TTFont(fonts.OWN) as font:
        lacking = {letter for letter in wide if ord(letter) not in font.getBestCmap()}
    assert not lacking, "run tools/make_font.py"


def test_the_course_knows_its_languages():
    assert language.languages() == ["en", ZH]
