// The values of Linux's own keywords.
#include <fmt/format.h>

#include "lang/numbers.h"
#include "lang/syntax.h"
#include "pfkey/near_name.h"

namespace lang {

template <>
Value<pfkey::Mark> SyntaxBase<pfkey::Mark>::read(Words words, ReadContext&) {
  const std::string_view text = words[0].text;
  const auto slash = text.find('/');
  const auto part = [&](std::string_view piece) { return number<std::uint32_t>(Word{piece, 0, Word::Kind::bare}); };
  const auto value = part(text.substr(0, slash));
  if (!value) return bad("{word} is not a mark: a number of 32 bits is needed, or VALUE/MASK");
  if (slash == std::string_view::npos) return pfkey::Mark{*value, UINT32_MAX};
  const auto mask = part(text.substr(slash + 1));
  if (!mask) return bad("{word} has no number of 32 bits after its / for the mask");
  if ((*value & ~*mask) != 0) return bad("{word} has bits that its mask leaves out: no packet would match");
  return pfkey::Mark{*value, *mask};
}
template <>
void SyntaxBase<pfkey::Mark>::write(const pfkey::Mark& v, bool, std::string& out) {
  out += pfkey::mark_text(v);
}

template <>
Value<pfkey::Offload> SyntaxBase<pfkey::Offload, false, 2>::read(Words words, ReadContext&) {
  const auto mode = word_or_number(words[0], pfkey::offload_words(), "kind of offload", Foreign::value);
  if (!mode) return std::unexpected(mode.error());
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ without its NUL.
  auto device = unescape(words[1]);
  if (!device || device->empty() || device->size() > kLongest || device->find('/') != std::string::npos)
    return bad("{word} is not the name of a network device: 1 to 15 characters without a / are needed", 1);
  return pfkey::Offload{static_cast<pfkey::Offload::Mode>(*mode), std::move(*device)};
}
template <>
void SyntaxBase<pfkey::Offload, false, 2>::write(const pfkey::Offload& v, bool, std::string& out) {
  out += pfkey::name(v.mode) + ' ';
  write_word(v.device, out);
}

}  // namespace lang
