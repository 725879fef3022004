"""Files in the encodings that people have: read as what they say, and written back in the same bytes."""

from __future__ import annotations

import csv
import io

import pytest

from dedup.outcome import outcome
from dedup.read import write
from dedup.report import to_json
from shared.errors import VisitorError
from tests.dedup.test_read import run, stored

SENTENCES = {
    "cp1251": "Съешь же ещё этих мягких французских булок, да выпей чаю; широкая электрификация.",
    "koi8-r": "В чащах юга жил бы цитрус? Да, но фальшивый экземпляр! Каждый охотник желает знать.",
    "cp866": "Старый мельник записал, сколько мешков муки увезли вчера, и пошёл спать до рассвета.",
    "iso8859-5": "На краю деревни стоит старая мельница; осенью туда приезжают все соседи с зерном.",
    "koi8-u": "Він пішов до лісу, і там зібрав їжу для своєї родини; увечері всі сіли біля вогнища.",
    "shift_jis": "日本語の文章です。明日は雨が降るでしょうから、傘を持って出かけてください。カタカナも少し。",
    "gb18030": "今天天气很好，我们去公园散步吧。明天可能会下雨，请记得带伞。这是一个测试句子。",
    "euc_kr": "오늘은 날씨가 맑습니다. 내일은 비가 올 것 같으니 우산을 챙기세요. 이것은 시험 문장입니다.",
    "cp1253": "Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί κάθε πρωί στον κήπο του σπιτιού.",
    "cp1252": "Déjà vu : l’été où le garçon mangeait des crêpes à la crème brûlée, né près de Besançon.",
    "cp1250": "Zażółć gęślą jaźń, a źdźbło trawy drży; pchnąć w tę łódź jeża lub ośm skrzyń fig.",
    "cp1257": "Šodien ir ļoti jauka diena, un mēs ejam uz mežu lasīt sēnes; rīt būs lietus un vējš.",
    "cp1254": "Şu köyde yağmurlu günlerde çocuklar ışıkta kitapları okuyup güldüler, sonra uyudular.",
    "utf-16-le": "Every word of this plain sentence is of Latin letters, and so every other byte is zero: é.",
    "utf-16-be": "Every word of this plain sentence is of Latin letters, and so every other byte is zero: é.",
    "utf-16": "Every word of this plain sentence begins after a mark, whatever its letters are: ж.",
    "utf-8-sig": "A spreadsheet puts a mark before its UTF-8, and looks for it when it reads: ж.",
    "utf-8": "Nothing is said of this one, for it is what everybody expects: ж.",
}


@pytest.mark.parametrize("encoding", SENTENCES)
@pytest.mark.parametrize("suffix", ["txt", "csv"])
def test_every_encoding_is_read_and_written_back(tmp_path, encoding, suffix):
    sentence = SENTENCES[encoding]
    rows = [sentence, f"{sentence} {sentence[::-1]}", sentence, sentence[::-1]]
    if suffix == "txt":
        texts = [row + "\r\n" for row in rows]
    else:
        whole = io.StringIO()
        csv.writer(whole).writerows([["text", "n"], *([row, place] for place, row in enumerate(rows))])
        texts = whole.getvalue().splitlines(keepends=True)
    data = stored(tmp_path, f"rows.{suffix}", "".join(texts).encode(encoding))
    assert data.column("text") == rows
    result, kept = run(data, threshold=0.9)
    assert kept == [0, 1, 3]
    said = [line for line in to_json(result, outcome(result))["warnings"] if "was read as" in line]
    assert len(said) == (0 if encoding.startswith("utf-8") else 1)
    write(data, kept, tmp_path / "kept")
    left = [line for line, text in enumerate(texts) if line != (2 if suffix == "txt" else 3)]
    expected = "".join(texts[line] for line in left)
    assert (tmp_path / "kept").read_bytes() == expected.encode(encoding)


def test_what_is_like_no_encoding_gets_a_sentence(tmp_path):
    with pytest.raises(VisitorError, match="could not be recognised"):
        stored(tmp_path, "rows.txt", bytes(range(128, 256)) * 40 + b"\n")
