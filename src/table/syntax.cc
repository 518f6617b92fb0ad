// The values that more than one language has, each with read() and, for writers, write():
// 1. Addresses: host() takes a literal, `any`, or a name to be looked up later; what may be a key is never looked up.
// 2. Networks: an address with a prefix.
// 3. Ports and protocols: a number, or a name that the name services know.
// 4. Flags have no words of their own; one_of() takes a word of a list and suggests a near one.
// 5. write_word() quotes text that would otherwise be read as a keyword.
#include "table/syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/hex.h"
#include "base/text.h"
#include "table/numbers.h"
#include "table/row.h"
#include "table/suggest.h"

namespace ipseckey::table {
namespace {

// Only hexadecimal digits, and not fewer than the shortest key has.
bool may_be_key(std::string_view text) {
  constexpr std::size_t kShortest = 16;
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  if (text.ends_with('.')) text.remove_suffix(1);
  return text.size() >= kShortest && all_hex(text);
}

// Resolvers read 12, 127.1 and 0x7f000001 as IPv4 addresses: a name never ends in a number.
bool ends_in_number(std::string_view text) {
  const std::string_view last = text.substr(text.rfind('.') + 1);
  const bool hex = last.starts_with("0x") || last.starts_with("0X");
  return last.find_first_not_of("0123456789") == std::string_view::npos || (hex && all_hex(last.substr(2)));
}

Value<Host> host(std::string_view text, const ReadContext& context) {
  Host host;
  host.v6_only = context.v6_only;
  if (const auto literal = parse_address(text)) {
    host.literal = unmapped(*literal);
    if (host.v6_only && host.literal->family == Family::v4)
      return bad("{word} is an IPv4 address; IPv6 is needed here");
    return host;
  }
  if (text == kAny) {
    if (host.v6_only) host.literal = unspecified(Family::v6);
    host.any = !host.v6_only;
    return host;
  }
  // Neither a name server nor anybody on the way to it may see a key.
  if (may_be_key(text)) return bad("Unknown address {word}: it may be a key and is not looked up as a name");
  const auto zone = text.find('%');
  if (zone != std::string_view::npos && parse_address(text.substr(0, zone)))
    return bad(fmt::format("Unknown address {{word}}: {}", context.no_zone));
  if (text.find(':') != std::string_view::npos) return bad("Unknown address {word}: it is not an IPv6 address");
  if (ends_in_number(text)) return bad("Unknown address {word}: it is neither an IPv4 address nor a name");
  constexpr std::size_t kLongestName = 253;  // RFC 1035 section 2.3.4.
  constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (text.size() > kLongestName || text.find_first_not_of(kNameCharacters) != std::string_view::npos)
    return bad("Unknown address {word}: it is neither an address nor a host name");
  host.name = text;
  return host;
}

void write_host(const Host& host, std::string& out) {
  out += host.any ? std::string(kAny) : host.literal ? to_string(*host.literal) : host.name;
}

}  // namespace

template <>
Value<Host> SyntaxBase<Host>::read(Words words, ReadContext& context) {
  if (words[0].text.find('/') != std::string_view::npos) return bad("{word} has a prefix; a single address is needed");
  return host(words[0].text, context);
}
template <>
void SyntaxBase<Host>::write(const Host& v, bool, std::string& out) {
  write_host(v, out);
}

template <>
Value<Network> SyntaxBase<Network>::read(Words words, ReadContext& context) {
  const std::string_view text = words[0].text;
  const auto slash = text.find('/');
  auto address = host(text.substr(0, slash), context);
  if (!address) return std::unexpected(std::move(address.error()));
  Network network{std::move(*address), std::nullopt};
  if (text == kAny) network.prefix = 0;
  if (slash == std::string_view::npos) return network;
  bool too_big = false;
  const auto prefix = parse_number(text.substr(slash + 1), too_big);
  if (!prefix && !too_big) return bad("{word} has no number after its / for the prefix length");
  const unsigned longest = network.host.literal ? network.host.literal->bits() : 128;
  if (too_big || *prefix > longest)
    return bad(fmt::format("{{word}} has a prefix that is too long; the longest is {}", longest));
  network.prefix = static_cast<std::uint8_t>(*prefix);
  return network;
}
template <>
void SyntaxBase<Network>::write(const Network& v, bool, std::string& out) {
  write_host(v.host, out);
  if (v.prefix && !v.host.any) out += fmt::format("/{}", *v.prefix);
}

template <>
Value<Port> SyntaxBase<Port>::read(Words words, ReadContext& context) {
  if (words[0].text == kAny) return Port{0};
  if (!looks_numeric(words[0].text) && context.names.port)
    if (const auto port = context.names.port(std::string(words[0].text))) return Port{*port};
  auto port = number<std::uint16_t>(words[0], "a port number or the name of a service");
  if (!port) return std::unexpected(std::move(port.error()));
  return Port{*port};
}
template <>
void SyntaxBase<Port>::write(const Port& v, bool, std::string& out) {
  append_number(v.value, out);
}

template <>
Value<Protocol> SyntaxBase<Protocol>::read(Words words, ReadContext& context) {
  if (words[0].text == kAny) return Protocol{0};
  if (!looks_numeric(words[0].text) && context.names.protocol)
    if (const auto proto = context.names.protocol(std::string(words[0].text))) return Protocol{*proto};
  auto proto = number<std::uint8_t>(words[0], "the number or the name of an IP protocol");
  if (!proto) return std::unexpected(std::move(proto.error()));
  return Protocol{*proto};
}
template <>
void SyntaxBase<Protocol>::write(const Protocol& v, bool, std::string& out) {
  append_number(v.value, out);
}

template <>
Value<Flag> SyntaxBase<Flag, 0>::read(Words, ReadContext&) {
  return Flag{};
}
template <>
void SyntaxBase<Flag, 0>::write(const Flag&, bool, std::string&) {}

template <>
Value<Unusable> SyntaxBase<Unusable>::read(Words, ReadContext&) {
  return Unusable{};
}
template <>
void SyntaxBase<Unusable>::write(const Unusable&, bool, std::string&) {}

Value<std::size_t> one_of(const Word& word, std::string_view list, std::string_view what) {
  std::vector<std::string_view> words;
  text::for_each_word(list, [&](std::string_view w) { words.push_back(w); });
  const auto same = [&](std::string_view w) { return text::same_word(w, word.text); };
  const auto found = std::ranges::find_if(words, same);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  return bad(
      fmt::format("Unknown {} {{word}}; expected {}{}", what, listed(words, "or"), did_you_mean(word.text, words)));
}

void write_word(const Table& table, std::string_view text, std::string& out) {
  if (table.find(text).row) return write_in_quotes(text, out);
  write_quoted(text, out);
}

}  // namespace ipseckey::table
