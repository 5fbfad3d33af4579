"""How near the language verifier comes to the true share of target-language words, beside its alternatives.

Builds chains of thought whose share is known, from the sentences below with code, LaTeX and URLs between them: in
blocks, sentence by sentence, and clause by clause inside sentences. Prints the mean absolute error of the share and
the milliseconds a document takes for four designs in the same run: ours, ours with langdetect for the windows, and
langdetect on the whole text as yes or no, with and without code and LaTeX set aside.

Run it as ``python benchmarks/language.py [--small]``.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

import langdetect

from verifier.text.language_share import language_share
from verifier.text.prose import prose
from verifier.text.scripts import words

SENTENCES = {
    "en": """
        Let us first write down what the problem tells us about the two trains.
        We know that the sum of the angles in a triangle is a straight angle.
        Wait, I should check whether this also holds when the number is negative.
        Now we divide both sides by the same factor and simplify the fraction.
        So there are four ways to choose the first letter and three for the second.
        Hmm, that does not look right, because the total should be an even number.
        If we double the radius, the area of the circle grows by a factor of four.
        Therefore the probability of drawing a red ball is one half.
        Let me try a smaller case before I go on with the general proof.
        The remainder after division by seven must be three in every case.
        She buys five apples every day, which makes thirty five apples each week.
        Adding these results gives the length of the whole fence.
        Next, I will loop over the list and keep the largest value seen so far.
        The function returns early when the input is empty, so that case is fine.
        Alternatively, we could count the paths that never touch the diagonal.
        This matches what I found before, and I am confident in the final answer.
    """,
    "fr": """
        Écrivons d'abord ce que l'énoncé nous apprend sur les deux trains.
        Nous savons que la somme des angles d'un triangle vaut un angle plat.
        Attendez, je dois vérifier si cela reste vrai quand le nombre est négatif.
        Divisons maintenant les deux membres par le même facteur et simplifions la fraction.
        Il y a donc quatre façons de choisir la première lettre et trois pour la seconde.
        Cela ne semble pas correct, car le total devrait être un nombre pair.
        Si nous doublons le rayon, la surface du disque est multipliée par quatre.
        La probabilité de tirer une boule rouge est donc égale à un demi.
        Essayons un cas plus petit avant de poursuivre la démonstration générale.
        Le reste de la division par sept doit toujours être égal à trois.
        Elle achète cinq pommes chaque jour, ce qui fait trente-cinq pommes par semaine.
        En ajoutant ces résultats, on obtient la longueur de toute la clôture.
        Ensuite, je parcours la liste et je garde la plus grande valeur rencontrée.
        La fonction s'arrête tout de suite quand l'entrée est vide, donc ce cas est réglé.
        On pourrait aussi compter les chemins qui ne touchent jamais la diagonale.
        Cela confirme ce que j'ai trouvé plus haut, et je suis sûr de la réponse finale.
    """,
    "de": """
        Schreiben wir zuerst auf, was die Aufgabe über die beiden Züge sagt.
        Wir wissen, dass die Summe der Winkel im Dreieck einen gestreckten Winkel ergibt.
        Moment, ich muss prüfen, ob das auch gilt, wenn die Zahl negativ ist.
        Nun teilen wir beide Seiten durch denselben Faktor und kürzen den Bruch.
        Also gibt es vier Möglichkeiten für den ersten Buchstaben und drei für den zweiten.
        Das sieht nicht richtig aus, denn die Summe müsste eine gerade Zahl sein.
        Wenn wir den Radius verdoppeln, wächst die Fläche des Kreises auf das Vierfache.
        Daher ist die Wahrscheinlichkeit, eine rote Kugel zu ziehen, genau ein halb.
        Versuchen wir einen kleineren Fall, bevor ich den allgemeinen Beweis führe.
        Der Rest bei der Division durch sieben muss immer drei sein.
        Sie kauft jeden Tag fünf Äpfel, das sind fünfunddreißig Äpfel in der Woche.
        Addieren wir diese Ergebnisse, so erhalten wir die Länge des ganzen Zauns.
        Danach gehe ich durch die Liste und behalte den bisher größten Wert.
        Die Funktion kehrt sofort zurück, wenn die Eingabe leer ist, also passt dieser Fall.
        Man könnte auch die Wege zählen, die niemals die Diagonale berühren.
        Das stimmt mit dem früheren Ergebnis überein, und ich bin mir sicher.
    """,
    "es": """
        Escribamos primero lo que el problema nos dice sobre los dos trenes.
        Sabemos que la suma de los ángulos de un triángulo es un ángulo llano.
        Espera, debo comprobar si esto también vale cuando el número es negativo.
        Ahora dividimos ambos lados por el mismo factor y simplificamos la fracción.
        Así que hay cuatro maneras de elegir la primera letra y tres para la segunda.
        Eso no parece correcto, porque el total debería ser un número par.
        Si duplicamos el radio, el área del círculo crece cuatro veces.
        Por lo tanto, la probabilidad de sacar una bola roja es un medio.
        Probemos con un caso más pequeño antes de seguir con la demostración general.
        El resto de la división entre siete debe ser tres en todos los casos.
        Ella compra cinco manzanas cada día, es decir, treinta y cinco por semana.
        Al sumar estos resultados obtenemos la longitud de toda la valla.
        Después recorro la lista y guardo el mayor valor que he visto hasta ahora.
        La función termina enseguida cuando la entrada está vacía, así que ese caso está bien.
        También podríamos contar los caminos que nunca tocan la diagonal.
        Esto coincide con lo que encontré antes, y estoy seguro de la respuesta final.
    """,
    "ru": """
        Сначала запишем, что нам известно из условия о двух поездах.
        Мы знаем, что сумма углов треугольника равна развёрнутому углу.
        Подождите, нужно проверить, верно ли это для отрицательного числа.
        Теперь разделим обе части на один и тот же множитель и сократим дробь.
        Значит, есть четыре способа выбрать первую букву и три способа выбрать вторую.
        Это выглядит неправильно, потому что сумма должна быть чётным числом.
        Если удвоить радиус, площадь круга увеличится в четыре раза.
        Поэтому вероятность вытащить красный шар равна одной второй.
        Попробуем меньший случай, прежде чем продолжать общее доказательство.
        Остаток от деления на семь всегда должен быть равен трём.
        Она покупает пять яблок каждый день, то есть тридцать пять яблок в неделю.
        Складывая эти результаты, получаем длину всего забора.
        Затем я прохожу по списку и запоминаю самое большое значение.
        Функция сразу завершается, когда вход пуст, так что этот случай разобран.
        Можно также сосчитать пути, которые никогда не касаются диагонали.
        Это совпадает с тем, что я нашёл раньше, и я уверен в ответе.
    """,
    "zh": """
        首先写下题目告诉我们的关于两列火车的条件。
        我们知道三角形的内角和等于一个平角。
        等一下，我应该检查当这个数是负数时是否也成立。
        现在两边同时除以相同的因子，然后化简这个分数。
        所以第一个字母有四种选法，第二个字母有三种选法。
        这看起来不对，因为总数应该是一个偶数。
        如果把半径加倍，圆的面积就会变成原来的四倍。
        因此摸出红球的概率等于二分之一。
        在继续一般的证明之前，先试一个更小的情形。
        除以七的余数在每种情况下都必须是三。
        她每天买五个苹果，所以每个星期一共买三十五个苹果。
        把这些结果加起来，就得到整个篱笆的长度。
        接下来遍历整个列表，并保留目前见过的最大值。
        当输入为空时函数会提前返回，所以这种情况没有问题。
        另外，我们也可以统计从不接触对角线的路径。
        这和我之前得到的结果一致，我对最后的答案很有信心。
    """,
    "ja": """
        まず、二本の列車について問題文から分かることを書き出します。
        三角形の内角の和は平角に等しいことが知られています。
        待ってください、この数が負のときにも成り立つか確かめる必要があります。
        次に両辺を同じ因数で割り、分数を約分しましょう。
        したがって最初の文字の選び方は四通り、二番目は三通りです。
        合計は偶数になるはずなので、これは正しくないようです。
        半径を二倍にすると、円の面積は四倍になります。
        よって赤い玉を引く確率は二分の一です。
        一般の証明を続ける前に、もっと小さい場合を試してみます。
        七で割った余りはどの場合でも三でなければなりません。
        彼女は毎日りんごを五個買うので、一週間では三十五個になります。
        これらの結果を足すと、柵全体の長さが求まります。
        それからリストを順に調べて、これまでの最大の値を覚えておきます。
        入力が空のときは関数がすぐに戻るので、この場合は問題ありません。
        対角線に触れない道の数を数えることもできます。
        これは先ほど求めた結果と一致するので、最後の答えに自信があります。
    """,
}

NOISE = (
    r"$x^2 + 3x - 4 = 0$",
    r"\(\frac{a}{b} \leq \sqrt{2}\)",
    r"$$\sum_{i=1}^{n} i = \frac{n(n+1)}{2}$$",
    "\\begin{align}\na &= b + c \\\\\n d &= \\sin(x)\n\\end{align}",
    "```python\ndef solve(nums, target):\n    left = 0\n    for right in range(len(nums)):\n        left += 1\n```",
    "```cpp\nint main() {\n    vector<int> values(n);\n    sort(values.begin(), values.end());\n}\n```",
    "`nums[i] + k`",
    "12 + 30 = 42",
    "https://example.org/wiki/Triangle_inequality?lang=x",
)

PAIRS = (
    *(("en", "zh"), ("zh", "en"), ("en", "ru"), ("ru", "en"), ("zh", "ja"), ("ja", "zh"), ("ja", "en")),
    *(("en", "fr"), ("fr", "en"), ("en", "de"), ("de", "en"), ("en", "es"), ("es", "en"), ("fr", "es"), ("de", "fr")),
)
SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
SMALL_PAIRS = (("en", "zh"), ("zh", "ja"), ("en", "fr"), ("fr", "es"))
MIXES = ("blocks", "sentences", "inside")
SHARED_SCRIPT = {"en", "fr", "de", "es"}


def sentences(language: str) -> list[str]:
    return [line.strip() for line in SENTENCES[language].strip().splitlines()]


def units(text: str) -> int:
    return sum(word.units for word in words(text))


def halves(sentence: str) -> list[str]:
    """A sentence in two clauses, for mixing inside sentences."""
    if " " in sentence:
        parts = sentence.split(" ")
        middle = len(parts) // 2
        return [" ".join(parts[:middle]), " ".join(parts[middle:])]
    middle = len(sentence) // 2
    return [sentence[:middle], sentence[middle:]]


def document(target: str, other: str, share: float, mix: str, chance: random.Random) -> tuple[str, float]:
    """A chain of thought of about forty sentences, and its true share of the target."""
    count = 40
    wanted = round(count * share)
    tokens = [target] * wanted + [other] * (count - wanted)
    pieces = [(language, chance.choice(sentences(language))) for language in tokens]
    if mix == "sentences":
        chance.shuffle(pieces)
    elif mix == "inside":
        parts = [(language, part) for language, sentence in pieces for part in halves(sentence)]
        chance.shuffle(parts)
        pieces = parts
    total = {target: 0, other: 0}
    lines = []
    for language, piece in pieces:
        total[language] += units(piece)
        lines.append(piece)
        if chance.random() < 0.35:
            lines.append(chance.choice(NOISE))
    separator = " " if mix == "inside" else "\n"
    text = separator.join(f"\n{line}\n" if line.startswith(("```", "\\begin")) else line for line in lines)
    return f"<think>\n{text}\n</think>", total[target] / sum(total.values())


def ours(text: str, target: str) -> float:
    share = language_share(text, target)
    return share.target / share.total


def ours_langdetect(text: str, target: str) -> float:
    share = language_share(text, target, detector="langdetect")
    return share.target / share.total


def whole(text: str, target: str) -> float:
    try:
        return float(langdetect.detect(text).partition("-")[0] == target)
    except langdetect.LangDetectException:
        return 0.0


def whole_stripped(text: str, target: str) -> float:
    return whole(prose(text), target)


DESIGNS: dict[str, Callable[[str, str], float]] = {
    "ours": ours,
    "ours, langdetect windows": ours_langdetect,
    "langdetect whole text": whole,
    "langdetect whole, set aside": whole_stripped,
}


def measure(documents: list[tuple[str, str, float]], design: Callable[[str, str], float]) -> tuple[float, float, float]:
    """Mean absolute error, largest error and milliseconds a document."""
    start = time.process_time()
    errors = [abs(design(text, target) - share) for text, target, share in documents]
    spent = time.process_time() - start
    return sum(errors) / len(errors), max(errors), 1000 * spent / len(documents)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="few pairs of languages, one document of each kind")
    is_small = parser.parse_args().small
    repeats, shares, pairs = (1, SHARES[::3], SMALL_PAIRS) if is_small else (3, SHARES, PAIRS)
    langdetect.DetectorFactory.seed = 0
    for design in DESIGNS.values():  # load the models before the clock runs
        design("Let us see what this gives us.", "en")
    print(f"{'target/other':<14}{'mix':<11}" + "".join(f"{name:>30}" for name in DESIGNS))
    print(" " * 25 + f"{'mean error, largest, ms':>30}" * len(DESIGNS))
    everything: dict[str, list[tuple[str, str, float]]] = {"all": [], "shared script": [], "scripts differ": []}
    for target, other in pairs:
        for mix in MIXES:
            chance = random.Random(f"{target}{other}{mix}")  # noqa: S311 - a benchmark that can be repeated
            documents = []
            for share in shares:
                for _ in range(repeats):
                    text, true = document(target, other, share, mix, chance)
                    documents.append((text, target, true))
            same = target in SHARED_SCRIPT and other in SHARED_SCRIPT
            everything["all"] += documents
            everything["shared script" if same else "scripts differ"] += documents
            row(f"{target}/{other}", mix, documents)
    for name, documents in everything.items():
        row(name, "", documents)
    pure()


def row(name: str, mix: str, documents: list[tuple[str, str, float]]) -> None:
    cells = [measure(documents, design) for design in DESIGNS.values()]
    print(f"{name:<14}{mix:<11}" + "".join(f"{f'{mean:.3f} {most:.3f} {ms:8.2f}':>30}" for mean, most, ms in cells))


def pure() -> None:
    """Scores of chains of thought in one language, against each target."""
    print("\nscore of a chain of thought in one language (row) against a target (column), ours")
    print(" " * 6 + "".join(f"{target:>7}" for target in SENTENCES))
    for language in SENTENCES:
        text = "\n".join(sentences(language))
        print(f"{language:<6}" + "".join(f"{ours(text, target):7.3f}" for target in SENTENCES))


if __name__ == "__main__":
    main()
