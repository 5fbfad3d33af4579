"""Names that are written in Latin letters but belong to no language: LaTeX commands, tags, keywords, units.

Each table is closed, so that text cannot leave the count of words by dressing up as notation: a command or tag that
is not listed here is read as a word.
"""

from __future__ import annotations


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


LATEX_TEXT_COMMANDS = _names(
    "text textbf textit textrm textsf texttt textnormal textup textsc emph underline mbox hbox fbox mathrm mathbf",
    "mathit mathsf mathtt boxed intertext shortintertext caption footnote section subsection paragraph item title",
)
"""Commands whose argument is read as text also inside mathematics."""

LATEX_SPACES = _names("quad qquad enspace thinspace space newline linebreak par hspace hfill vspace")

LATEX_COMMANDS = (
    LATEX_TEXT_COMMANDS
    | LATEX_SPACES
    | _names(
        # structure
        "begin end frac dfrac tfrac cfrac sqrt root binom dbinom tbinom choose over atop left right middle big Big",
        "bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle scriptstyle limits nolimits",
        "overline overbrace underbrace underset overset stackrel substack phantom hphantom vphantom tag label ref",
        "eqref cite nonumber notag hline cline multicolumn multirow centering color textcolor colorbox cancel",
        "bcancel xcancel not mathbb mathcal mathfrak mathscr mathop mathbin mathrel mathord operatorname bm",
        "boldsymbol hat widehat bar tilde widetilde vec dot ddot check acute grave breve mathring prime backslash",
        "documentclass usepackage newcommand def let rm bf it sf tt cal",
        # letters
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho",
        "varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon",
        "Phi Psi Omega ell hbar imath jmath aleph beth Re Im wp partial nabla infty emptyset varnothing",
        # functions
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp lim limsup liminf max min",
        "sup inf arg deg det dim gcd lcm hom ker Pr mod bmod pmod pod",
        # operators and relations
        "sum prod coprod int iint iiint oint bigcup bigcap bigoplus bigotimes bigvee bigwedge cdot cdots ldots dots",
        "vdots ddots times div pm mp ast star circ bullet oplus ominus otimes odot cup cap setminus wedge vee land",
        "lor lnot neg top bot forall exists nexists in notin ni subset supset subseteq supseteq subsetneq",
        "supsetneq leq le geq ge lt gt ll gg neq ne equiv cong sim simeq approx propto doteq asymp mid nmid",
        "parallel nparallel perp angle measuredangle triangle square Box Diamond diamond blacksquare qed degree",
        "therefore because implies impliedby iff to gets mapsto longmapsto rightarrow leftarrow leftrightarrow",
        "Rightarrow Leftarrow Leftrightarrow longrightarrow Longrightarrow longleftarrow Longleftarrow",
        "Longleftrightarrow uparrow downarrow Uparrow Downarrow nearrow searrow hookrightarrow leadsto",
        "xrightarrow xleftarrow overrightarrow overleftarrow langle rangle lfloor rfloor lceil rceil lvert rvert",
        "lVert rVert vert Vert lbrace rbrace lbrack rbrack models vdash dagger ddagger surd checkmark pounds euro",
        "copyright S P AA sharp flat natural clubsuit diamondsuit heartsuit spadesuit",
    )
)

LATEX_MATH_ENVIRONMENTS = frozenset(
    base + star
    for base in _names(
        "equation align aligned alignat alignedat gather gathered multline split eqnarray displaymath math cases",
        "dcases rcases matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array subarray tabular tikzpicture",
    )
    for star in ("", "*")
)

LATEX_CODE_ENVIRONMENTS = _names("verbatim verbatim* lstlisting minted Verbatim")

TAGS = _names(
    "think thinking thought reasoning reflection answer output solution final step a abbr b blockquote body br center",
    "code dd del details div dl dt em font h1 h2 h3 h4 h5 h6 head hr html i img ins li ol p pre q s script small span",
    "strong style sub summary sup table tbody td th thead tr tt u ul var tool_call tool_response",
)

CODE_KEYWORDS = _names(
    "abstract and array as assert async auto await begin bool boolean break byte case catch char class const constexpr",
    "continue def default del delete do double elif else end enum except extends extern false final finally float fn",
    "for from func function global goto if impl implements import in inline instanceof int interface is lambda let",
    "list long map match mod module mut mutable namespace new nil none nonlocal not null nullptr or package pass",
    "print private procedure program protected pub public raise range register require return self set short signed",
    "sizeof static str string struct super switch template then this throw throws trait true try tuple type typedef",
    "typename union unsigned use using val var vector virtual void volatile where while with xor yield sudo pip apt",
    "npm git install select insert update order group by join table values std cout cin endl",
)
"""Words that stand beside others in code without making a sentence."""

SYMBOLS = _names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min sup inf arg deg det dim gcd",
    "lcm hcf ker mod sqrt rad mm cm dm km nm mg kg ml kb mb gb tb hz khz mhz ghz kw kwh mph kph ft lb lbs oz usd eur",
    "gbp cny rmb jpy st nd rd th pm alpha beta gamma delta epsilon theta lambda sigma omega",
)
"""Functions and units as they stand in any language."""
