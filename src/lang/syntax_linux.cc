// The values of the keywords about what an SA does with packets and devices.
#include <fmt/format.h>

#include "lang/numbers.h"
#include "lang/syntax.h"
#include "pfkey/near_name.h"

namespace ipseckey::lang {

template <>
Value<pfkey::Mark> SyntaxBase<pfkey::Mark>::read(Words words, ReadContext&) {
  const std::string_view text = words[0].text;
  const auto slash = text.find('/');
  const auto part = [&](std::string_view piece) { return number<std::uint32_t>(Word{piece, 0, Word::Kind::bare}); };
  const auto value = part(text.substr(0, slash));
  if (!value) return bad("{word} is not a mark: a 32-bit number or VALUE/MASK is needed");
  if (slash == std::string_view::npos) return pfkey::Mark{*value, UINT32_MAX};
  const auto mask = part(text.substr(slash + 1));
  if (!mask) return bad("{word} needs a mask, a 32-bit number, after the /");
  if ((*value & ~*mask) != 0) return bad("{word} has bits outside its mask: drop them or widen the mask");
  return pfkey::Mark{*value, *mask};
}
template <>
void SyntaxBase<pfkey::Mark>::write(const pfkey::Mark& v, bool, std::string& out) {
  out += pfkey::mark_text(v);
}

namespace {

// A number that a table has words for.
void write_word_or_number(std::uint32_t number, std::span<const pfkey::Word> table, std::string& out) {
  const pfkey::Word* const word = pfkey::find_word(table, number);
  out += word ? std::string(word->name()) : fmt::to_string(number);
}

Value<std::string> device_name(const Word& word, std::size_t which) {
  auto name = unescape(word);
  if (!name || name->empty() || name->size() > pfkey::Device::kLongest || name->find('/') != std::string::npos)
    return bad("{word} is not the name of a network device: 1 to 15 characters without a / are needed", which);
  return std::move(*name);
}

}  // namespace

template <>
Value<Df> SyntaxBase<Df>::read(Words words, ReadContext&) {
  const auto df = word_or_number(words[0], pfkey::df_words(), "DF setting", Foreign::value);
  if (!df) return std::unexpected(df.error());
  return Df{*df};
}
template <>
void SyntaxBase<Df>::write(const Df& v, bool, std::string& out) {
  write_word_or_number(v.value, pfkey::df_words(), out);
}

template <>
Value<Dscp> SyntaxBase<Dscp>::read(Words words, ReadContext&) {
  if (const auto word = pfkey::find_number(pfkey::dscp_words(), words[0].text)) return Dscp{*word};
  const auto dscp = number<std::uint32_t>(words[0], "a DSCP from 0 to 63, copy or keep", pfkey::kDscpMost);
  if (!dscp) return std::unexpected(dscp.error());
  return Dscp{*dscp};
}
template <>
void SyntaxBase<Dscp>::write(const Dscp& v, bool, std::string& out) {
  write_word_or_number(v.value, pfkey::dscp_words(), out);
}

template <>
Value<pfkey::Device> SyntaxBase<pfkey::Device>::read(Words words, ReadContext&) {
  auto name = device_name(words[0], 0);
  if (!name) return std::unexpected(std::move(name.error()));
  return pfkey::Device{std::move(*name)};
}
template <>
void SyntaxBase<pfkey::Device>::write(const pfkey::Device& v, bool, std::string& out) {
  write_word(v.name, out);
}

template <>
Value<pfkey::Offload> SyntaxBase<pfkey::Offload, false, 2>::read(Words words, ReadContext&) {
  const auto mode = word_or_number(words[0], pfkey::offload_words(), "kind of offload", Foreign::value);
  if (!mode) return std::unexpected(mode.error());
  auto device = device_name(words[1], 1);
  if (!device) return std::unexpected(std::move(device.error()));
  return pfkey::Offload{static_cast<pfkey::Offload::Mode>(*mode), std::move(*device)};
}
template <>
void SyntaxBase<pfkey::Offload, false, 2>::write(const pfkey::Offload& v, bool, std::string& out) {
  out += pfkey::name(v.mode) + ' ';
  write_word(v.device, out);
}

}  // namespace ipseckey::lang
