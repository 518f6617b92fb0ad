// The values of Linux's own keywords.
#include <fmt/format.h>

#include "lang/numbers.h"
#include "lang/syntax.h"

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
  out += fmt::format("{:#x}", v.value);
  if (v.mask != UINT32_MAX) out += fmt::format("/{:#x}", v.mask);
}

template <>
Value<pfkey::Offload> SyntaxBase<pfkey::Offload, false, 2>::read(Words words, ReadContext&) {
  using Mode = pfkey::Offload::Mode;
  if (words[0].text != "crypto" && words[0].text != "packet")
    return bad("{word} is no kind of offload; there are crypto and packet");
  constexpr std::size_t kLongest = 15;  // IFNAMSIZ without its NUL.
  auto device = unescape(words[1]);
  if (!device || device->empty() || device->size() > kLongest || device->find('/') != std::string::npos)
    return bad("{word} is not the name of a network device: 1 to 15 characters without a / are needed", 1);
  return pfkey::Offload{words[0].text == "packet" ? Mode::packet : Mode::crypto, std::move(*device)};
}
template <>
void SyntaxBase<pfkey::Offload, false, 2>::write(const pfkey::Offload& v, bool, std::string& out) {
  out += v.mode == pfkey::Offload::Mode::packet ? "packet " : "crypto ";
  write_word(v.device, out);
}

}  // namespace lang
