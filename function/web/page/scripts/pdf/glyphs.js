// Characters of glyph names and of the encodings that fonts name.

const ACCENTS = {
  grave: "\u0300", acute: "\u0301", circumflex: "\u0302", tilde: "\u0303", macron: "\u0304", breve: "\u0306", dotaccent: "\u0307", dieresis: "\u0308",
  ring: "\u030a", hungarumlaut: "\u030b", caron: "\u030c", commaaccent: "\u0326", cedilla: "\u0327", ogonek: "\u0328",
};
const NAMED = new Map(
  `space   exclam ! quotedbl " numbersign # dollar $ percent % ampersand & quotesingle ' parenleft ( parenright ) asterisk * plus + comma , hyphen - period . slash /
  zero 0 one 1 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 colon : semicolon ; less < equal = greater > question ? at @
  bracketleft [ backslash \\ bracketright ] asciicircum ^ underscore _ braceleft { bar | braceright } asciitilde ~
  quoteright ’ quoteleft ‘ quotedblleft “ quotedblright ” quotesinglbase ‚ quotedblbase „ guilsinglleft ‹ guilsinglright › guillemotleft « guillemotright » guillemetleft « guillemetright »
  endash – emdash — bullet • periodcentered · ellipsis … dagger † daggerdbl ‡ perthousand ‰ section § paragraph ¶ copyright © registered ® trademark ™ degree ° minus − multiply × divide ÷ plusminus ± fraction ⁄
  cent ¢ sterling £ currency ¤ yen ¥ euro € Euro € florin ƒ brokenbar ¦ logicalnot ¬ mu µ ordfeminine ª ordmasculine º onequarter ¼ onehalf ½ threequarters ¾ onesuperior ¹ twosuperior ² threesuperior ³
  exclamdown ¡ questiondown ¿ AE Æ ae æ OE Œ oe œ Oslash Ø oslash ø Lslash Ł lslash ł Dcroat Đ dcroat đ Eth Ð eth ð Thorn Þ thorn þ germandbls ß dotlessi ı dotlessj ȷ
  fi fi fl fl ff ff ffi ffi ffl ffl grave \` acute ´ circumflex ˆ tilde ˜ macron ¯ breve ˘ dotaccent ˙ dieresis ¨ ring ˚ cedilla ¸ hungarumlaut ˝ ogonek ˛ caron ˇ
  nbspace   sfthyphen - nonbreakingspace   visiblespace ␣
  Alpha Α Beta Β Gamma Γ Delta Δ Epsilon Ε Zeta Ζ Eta Η Theta Θ Iota Ι Kappa Κ Lambda Λ Mu Μ Nu Ν Xi Ξ Omicron Ο Pi Π Rho Ρ Sigma Σ Tau Τ Upsilon Υ Phi Φ Chi Χ Psi Ψ Omega Ω
  alpha α beta β gamma γ delta δ epsilon ε epsilon1 ϵ zeta ζ eta η theta θ theta1 ϑ iota ι kappa κ lambda λ nu ν xi ξ omicron ο pi π rho ρ sigma σ sigma1 ς tau τ upsilon υ phi φ phi1 ϕ chi χ psi ψ omega ω
  summation ∑ product ∏ integral ∫ radical √ infinity ∞ partialdiff ∂ gradient ∇ element ∈ notelement ∉ intersection ∩ union ∪ propersubset ⊂ reflexsubset ⊆ propersuperset ⊃ reflexsuperset ⊇ emptyset ∅
  lessequal ≤ greaterequal ≥ notequal ≠ approxequal ≈ equivalence ≡ similar ∼ proportional ∝ logicaland ∧ logicalor ∨ universal ∀ existential ∃ arrowleft ← arrowup ↑ arrowright → arrowdown ↓ arrowboth ↔
  arrowdblleft ⇐ arrowdblright ⇒ arrowdblboth ⇔ lozenge ◊ prime ′ asteriskmath ∗ openbullet ◦ checkmark ✓ angbracketleft ⟨ angbracketright ⟩ angleleft ⟨ angleright ⟩ circleplus ⊕ circlemultiply ⊗ perpendicular ⊥ ell ℓ lscript ℓ
  mapsto ↦ star ⋆ diamond ⋄ periodinferior . Delta1 Δ Omega1 Ω ohm Ω increment ∆`
    .split(/\s*\n\s*/)
    .flatMap((line) => [...line.matchAll(/(\S+) (\S+| )(?: |$)/g)].map(([, name, text]) => [name, text])),
);
const STANDARD_UPPER =
  "exclamdown cent sterling fraction yen florin section currency quotesingle quotedblleft guillemotleft guilsinglleft guilsinglright fi fl . endash dagger daggerdbl periodcentered . paragraph bullet quotesinglbase quotedblbase quotedblright guillemotright ellipsis perthousand . questiondown . grave acute circumflex tilde macron breve dotaccent dieresis . ring cedilla . hungarumlaut ogonek caron emdash . . . . . . . . . . . . . . . . AE . ordfeminine . . . . Lslash Oslash OE ordmasculine . . . . . ae . . . dotlessi . . lslash oslash oe germandbls";
const WINDOWS_MIDDLE = [..."€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"]; // 0x80 to 0x9f
const SYMBOL_LETTERS = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
const OT1_FIRST = "Γ Δ Θ Λ Ξ Π Σ Υ Φ Ψ Ω ff fi fl ffi ffl ı ȷ ` ´ ˇ ˘ ¯ ˚ ¸ ß æ œ ø Æ Œ Ø";
const OT1_OTHER = { 0x22: "”", 0x27: "’", 0x3c: "¡", 0x3e: "¿", 0x5c: "“", 0x60: "‘", 0x7b: "–", 0x7c: "—" };

/** Return the text of a glyph's name, or null. */
export function glyphText(name) {
  const [base] = name.split(".", 1);
  if (NAMED.has(base)) return NAMED.get(base);
  if (/^[A-Za-z]$/.test(base)) return base;
  const code = /^(?:uni((?:[0-9A-F]{4})+)|u([0-9A-F]{4,6}))$/.exec(base);
  if (code?.[1]) return String.fromCharCode(...code[1].match(/.{4}/g).map((digits) => Number.parseInt(digits, 16)));
  if (code?.[2]) return pointText(Number.parseInt(code[2], 16));
  const accented = /^([A-Za-z]|dotlessi|ae|AE|oslash|Oslash)(grave|acute|circumflex|tilde|macron|breve|dotaccent|dieresis|ring|hungarumlaut|caron|commaaccent|cedilla|ogonek)$/.exec(base);
  if (accented) return ((accented[1].length > 1 ? NAMED.get(accented[1]) : accented[1]) + ACCENTS[accented[2]]).normalize("NFC");
  if (base.includes("_")) {
    const parts = base.split("_").map(glyphText);
    return parts.includes(null) ? null : parts.join("");
  }
  return null;
}

function pointText(point) {
  return point <= 0x10ffff ? String.fromCodePoint(point) : null;
}

/** Return the 256 texts of a named encoding: WinAnsiEncoding, MacRomanEncoding, StandardEncoding, Symbol or TeX's OT1. */
export function encodingTexts(name) {
  const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
  if (name === "MacRomanEncoding") return [...new TextDecoder("macintosh").decode(codes)];
  const texts = Array.from(codes, (code) => WINDOWS_MIDDLE[code - 0x80] ?? String.fromCharCode(code));
  if (name === "WinAnsiEncoding") return texts;
  if (name === "Symbol") {
    [...SYMBOL_LETTERS].forEach((letter, index) => (texts[0x41 + index] = letter));
    return texts.map((text, code) => (code === 0xb7 ? "•" : code < 0x7f ? text : null));
  }
  if (name === "OT1") {
    OT1_FIRST.split(" ").forEach((text, code) => (texts[code] = text));
    return texts.map((text, code) => OT1_OTHER[code] ?? (code < 0x80 ? text : null));
  }
  const upper = STANDARD_UPPER.split(" ");
  return texts.map((text, code) => {
    if (code === 0x27) return "’";
    if (code === 0x60) return "‘";
    return code < 0x7f ? text : code < 0xa1 ? null : glyphText(upper[code - 0xa1] ?? ".");
  });
}
