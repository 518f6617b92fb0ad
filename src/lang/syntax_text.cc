// The values that are more than a number or a word of a list, each with read() and, for `save`, write():
// 1. Keys: read_key() takes digits, 0x and a number of bits; base/hex reads them in constant time into a Secret.
// 2. read_key_file() takes the first line of a file, through secret memory only.
// 3. Identities: a type and a text with escapes.
// 4. Labels: a level and compartments.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/cast.h"
#include "base/hex.h"
#include "base/text.h"
#include "lang/key_text.h"
#include "lang/numbers.h"
#include "lang/syntax.h"
#include "table/completion.h"

namespace ipseckey::lang {
namespace {

Value<std::size_t> key_bits(std::string_view text, std::size_t digits) {
  std::size_t bits = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), bits);
  const bool whole = end == text.data() + text.size();
  // Not shown: a slash that slipped into a key has the rest of the key behind it.
  constexpr std::size_t kMost = 65535;
  if (whole && (ec == std::errc::result_out_of_range || bits > kMost))
    return bad(fmt::format("bit length {} or more is too big for the {} bits of the key", kMost, digits * 4));
  if (text.empty() || ec != std::errc() || !whole)
    return bad("the text after the / is not a bit specifier: a decimal number is needed");
  if (bits == 0) return bad("a key cannot have 0 bits");
  // An odd digit may be filled up to an octet, as it is without a number.
  if ((bits + 3) / 4 > digits && bits != (digits + 1) / 2 * 8)
    return bad(fmt::format("bit length {} is too big for the {} bits of the key", bits, digits * 4));
  return bits;
}

Value<KeyValue> read_key(std::string_view digits, std::string& warning) {
  if (digits.size() > 2 && digits[0] == '0' && text::lower(digits[1]) == 'x') digits.remove_prefix(2);
  const auto slash = digits.find('/');
  const std::string_view specifier = slash == std::string_view::npos ? "" : digits.substr(slash + 1);
  digits = digits.substr(0, slash);
  if (digits.empty()) return bad("the value is not a hex string: it has no digit");

  std::size_t bits = (digits.size() + 1) / 2 * 8;
  if (slash != std::string_view::npos) {
    const auto given = key_bits(specifier, digits.size());
    if (!given) return std::unexpected(given.error());
    bits = *given;
    if (digits.size() * 4 > bits + 3)
      warning =
          fmt::format("the key has {} bits; the last {} are dropped", digits.size() * 4, digits.size() * 4 - bits);
  } else if (digits.size() % 2 != 0) {
    warning = fmt::format(
        "the key has {} digits, an odd number: a 0 is added at its end. If a digit is missing, add it; if not, put /{} "
        "after the key",
        digits.size(), bits);
  }
  const auto not_hex = [] { return bad(fmt::format("the value is not a hex string: {}", kConvertText)); };
  const std::string_view dropped = digits.substr(std::min(digits.size(), (bits + 3) / 4));
  digits.remove_suffix(dropped.size());
  if (!all_hex(dropped)) return not_hex();
  if (digits.size() > 2 * Secret::kMaxSize)
    return bad(fmt::format("the key has {} bits; no algorithm takes more than {}", bits, Secret::kMaxSize * 8));
  KeyValue key{Secret((bits + 7) / 8), static_cast<std::uint16_t>(bits)};
  if (!read_hex(digits, key.material.bytes())) return not_hex();
  if (bits % 8 != 0) key.material.bytes().back() &= static_cast<std::byte>(0xff00u >> bits % 8);
  return key;
}

// The text after the @ is not a key, but the file's is.
Value<KeyValue> read_key_file(const Word& word, ReadContext& context) {
  auto reference = unescape(word);
  if (!reference || reference->size() < 2) return bad("the name of a file is missing after the @");
  if (!context.names.key_text) return bad("key files cannot be read here");
  auto text = context.names.key_text(reference->substr(1));
  if (!text) return bad(std::move(text.error().text));
  std::string warning;
  auto key = read_key(chars_of(std::as_const(text->buffer).bytes().first(text->length)), warning);
  if (!key) return bad(fmt::format("the first line of the file is not a key: {}", key.error().message));
  context.warning = std::move(text->reservation);
  if (!warning.empty()) context.warning += (context.warning.empty() ? "" : "; ") + warning;
  return key;
}

}  // namespace

template <>
Value<KeyValue> SyntaxBase<KeyValue, true>::read(Words words, ReadContext& context) {
  if (words[0].text.starts_with('@')) return read_key_file(words[0], context);
  return read_key(words[0].text, context.warning);
}
template <>
void SyntaxBase<KeyValue, true>::write(const KeyValue& v, bool paranoid, SecretText& out) {
  if (paranoid) {
    out.append(2 * v.material.size(), 'X');
  } else {
    append_hex(out, v.material.bytes());
  }
  out += fmt::format("/{}", v.bits);
}

template <>
Value<Identity> SyntaxBase<Identity, false, 2>::read(Words words, ReadContext&) {
  const auto type = word_or_number(words[0], pfkey::identity_words(), "identity type", Foreign::identity, UINT16_MAX);
  if (!type) return std::unexpected(type.error());
  Identity identity{static_cast<pfkey::IdentityType>(*type), {}};
  auto text = unescape(words[1]);
  if (!text) return bad("{word} has an invalid escape; \\\\ \\\" \\n \\r \\t and \\xHH are valid", 1);
  constexpr std::size_t kLongest = 4096;
  if (text->size() > kLongest) return bad(fmt::format("the identity is longer than {} characters", kLongest), 1);
  identity.text = std::move(*text);
  return identity;
}
template <>
void SyntaxBase<Identity, false, 2>::write(const Identity& v, bool, std::string& out) {
  out += pfkey::name(v.type) + ' ';
  write_word(v.text, out);
}

void Syntax<Identity>::offer(std::size_t n, table::Offers& offers) {
  if (n == 0) offers.add_each(pfkey::all_names(pfkey::identity_words()));
}

void write_word(std::string_view text, std::string& out) { table::write_word(language().table, text, out); }

template <>
Value<Label> SyntaxBase<Label>::read(Words words, ReadContext&) {
  const std::string_view text = words[0].text;
  const auto colon = text.find(':');
  const auto level = number<std::uint8_t>(Word{text.substr(0, colon), 0, Word::Kind::bare});
  const std::string malformed =
      "{word} is not a security label: a level from 0 to 255 is needed, or LEVEL:COMPARTMENTS "
      "with compartments as up to 4,000 hexadecimal digits in groups of 16";
  if (!level) return bad(malformed);
  Label label{*level, {}};
  if (colon == std::string_view::npos) return label;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() % 16 != 0 || digits.size() > 4000) return bad(malformed);
  for (std::size_t i = 0; i < digits.size(); i += 16) {
    std::uint64_t& word = label.compartments.emplace_back();
    const auto [end, ec] = std::from_chars(digits.data() + i, digits.data() + i + 16, word, 16);
    if (ec != std::errc() || end != digits.data() + i + 16) return bad(malformed);
  }
  return label;
}
template <>
void SyntaxBase<Label>::write(const Label& v, bool, std::string& out) {
  append_number(v.level, out);
  if (!v.compartments.empty()) out += ':';
  for (const auto word : v.compartments) out += fmt::format("{:016x}", word);
}

}  // namespace ipseckey::lang
