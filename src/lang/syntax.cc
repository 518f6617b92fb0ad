#include "lang/syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "pfkey/algorithms.h"

namespace lang {
namespace {

std::unexpected<ValueFault> bad(std::string message, std::size_t word = 0) {
  return std::unexpected(ValueFault{std::move(message), word});
}

// Decimal, 0x hexadecimal or 0 octal, no sign, nothing after it.
std::optional<std::uint64_t> parse_number(std::string_view text, bool& too_big) {
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    base = text::lower(text[1]) == 'x' ? 16 : 8;
    text.remove_prefix(base == 16 ? 2 : 1);
  }
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  too_big = ec == std::errc::result_out_of_range;
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class T>
Value<T> number(const Word& word, std::string_view what = "a number") {
  bool too_big = false;
  const auto value = parse_number(word.text, too_big);
  if (!value && !too_big) return bad(fmt::format("{{word}} is not {}", what));
  if (too_big || *value > std::numeric_limits<T>::max())
    return bad(fmt::format("{{word}} is too big; the largest is {}", std::numeric_limits<T>::max()));
  return static_cast<T>(*value);
}

// A strong type around an integer.
template <class T>
Value<T> wrapped(const Word& word) {
  auto value = number<decltype(T::value)>(word);
  if (!value) return std::unexpected(std::move(value.error()));
  return T{*value};
}

void append(std::uint64_t value, std::string& out) { fmt::format_to(std::back_inserter(out), "{}", value); }

bool looks_numeric(std::string_view text) { return !text.empty() && text[0] >= '0' && text[0] <= '9'; }

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::min<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view c : candidates) {
    const std::size_t distance = text::edit_distance(word, c);
    if (distance < best_distance) best = c, best_distance = distance;
  }
  return best;
}

template <>
Value<Spi> SyntaxBase<Spi>::read(Words words, ReadContext&) {
  auto spi = wrapped<Spi>(words[0]);
  if (spi && spi->value == 0) return bad("0 is not an SPI: it is reserved (RFC 4303 section 2.1)");
  return spi;
}
template <>
void SyntaxBase<Spi>::write(const Spi& v, bool, std::string& out) {
  fmt::format_to(std::back_inserter(out), "0x{:x}", v.value);
}

template <>
Value<Count> SyntaxBase<Count>::read(Words words, ReadContext&) {
  return wrapped<Count>(words[0]);
}
template <>
void SyntaxBase<Count>::write(const Count& v, bool, std::string& out) {
  append(v.value, out);
}

template <>
Value<Count32> SyntaxBase<Count32>::read(Words words, ReadContext&) {
  return wrapped<Count32>(words[0]);
}
template <>
void SyntaxBase<Count32>::write(const Count32& v, bool, std::string& out) {
  append(v.value, out);
}

template <>
Value<Window> SyntaxBase<Window>::read(Words words, ReadContext&) {
  return wrapped<Window>(words[0]);
}
template <>
void SyntaxBase<Window>::write(const Window& v, bool, std::string& out) {
  append(v.value, out);
}

template <>
Value<Bits> SyntaxBase<Bits>::read(Words words, ReadContext&) {
  return wrapped<Bits>(words[0]);
}
template <>
void SyntaxBase<Bits>::write(const Bits& v, bool, std::string& out) {
  append(v.value, out);
}

template <>
Value<Port> SyntaxBase<Port>::read(Words words, ReadContext& context) {
  if (!looks_numeric(words[0].text) && context.names.port)
    if (const auto port = context.names.port(std::string(words[0].text))) return Port{*port};
  auto port = number<std::uint16_t>(words[0], "a port number or the name of a service");
  if (!port) return std::unexpected(std::move(port.error()));
  return Port{*port};
}
template <>
void SyntaxBase<Port>::write(const Port& v, bool, std::string& out) {
  append(v.value, out);
}

template <>
Value<Protocol> SyntaxBase<Protocol>::read(Words words, ReadContext& context) {
  if (!looks_numeric(words[0].text) && context.names.protocol)
    if (const auto proto = context.names.protocol(std::string(words[0].text))) return Protocol{*proto};
  auto proto = number<std::uint8_t>(words[0], "the number or the name of an IP protocol");
  if (!proto) return std::unexpected(std::move(proto.error()));
  return Protocol{*proto};
}
template <>
void SyntaxBase<Protocol>::write(const Protocol& v, bool, std::string& out) {
  append(v.value, out);
}

std::vector<std::string_view> algorithm_names(bool auth) {
  const auto kind = auth ? pfkey::AlgorithmKind::auth : pfkey::AlgorithmKind::encrypt;
  std::vector<std::string_view> names;
  const auto add = [&](std::string_view name) { names.push_back(name); };
  for (const pfkey::Algorithm& a : pfkey::algorithms())
    if (a.kind == kind) text::for_each_word(a.names, add);
  text::for_each_word(pfkey::none_names(kind), add);
  return names;
}

namespace {

// T is AuthAlgorithm or EncryptAlgorithm.
template <class T>
Value<T> algorithm(const Word& word, pfkey::AlgorithmKind kind) {
  if (const pfkey::Algorithm* a = pfkey::find_algorithm(kind, word.text)) return T{a->number};
  if (text::list_has(pfkey::none_names(kind), word.text)) return T{0};
  const bool auth = kind == pfkey::AlgorithmKind::auth;
  if (looks_numeric(word.text)) {
    auto n = number<std::uint8_t>(word, "the name or number of an algorithm");
    if (!n) return std::unexpected(std::move(n.error()));
    if (*n != 0 && !pfkey::find_algorithm(kind, *n))
      return bad(fmt::format("Unknown {} algorithm number {}", auth ? "authentication" : "encryption", *n));
    return T{*n};
  }
  std::string message = fmt::format("Unknown {} algorithm {{word}}", auth ? "authentication" : "encryption");
  if (const auto near = nearest(word.text, algorithm_names(auth)); !near.empty())
    message += fmt::format("; did you mean {}?", near);
  return bad(std::move(message));
}

}  // namespace

template <>
Value<AuthAlgorithm> SyntaxBase<AuthAlgorithm>::read(Words words, ReadContext&) {
  return algorithm<AuthAlgorithm>(words[0], pfkey::AlgorithmKind::auth);
}
template <>
void SyntaxBase<AuthAlgorithm>::write(const AuthAlgorithm& v, bool, std::string& out) {
  out += pfkey::algorithm_name(pfkey::AlgorithmKind::auth, v.number);
}

template <>
Value<EncryptAlgorithm> SyntaxBase<EncryptAlgorithm>::read(Words words, ReadContext&) {
  return algorithm<EncryptAlgorithm>(words[0], pfkey::AlgorithmKind::encrypt);
}
template <>
void SyntaxBase<EncryptAlgorithm>::write(const EncryptAlgorithm& v, bool, std::string& out) {
  out += v.number == 0 ? "any" : pfkey::algorithm_name(pfkey::AlgorithmKind::encrypt, v.number);
}

template <>
Value<Encapsulation> SyntaxBase<Encapsulation>::read(Words words, ReadContext&) {
  if (words[0].text != "udp") return bad("{word} is not an encapsulation; there is only udp");
  return Encapsulation::udp;
}
template <>
void SyntaxBase<Encapsulation>::write(const Encapsulation&, bool, std::string& out) {
  out += "udp";
}

template <>
Value<pfkey::State> SyntaxBase<pfkey::State>::read(Words words, ReadContext&) {
  std::uint8_t n = 0;
  bool found = false;
  text::for_each_word(kStateWords, [&](std::string_view name) {
    found = found || name == words[0].text;
    if (!found) ++n;
  });
  if (found) return static_cast<pfkey::State>(n);
  if (!looks_numeric(words[0].text)) return bad("Unknown state {word}; there are larval, mature, dying and dead");
  auto value = number<std::uint8_t>(words[0], "a state");
  if (!value) return std::unexpected(std::move(value.error()));
  if (*value > static_cast<std::uint8_t>(pfkey::State::active)) return bad("Unknown state {word}; the largest is 6");
  return static_cast<pfkey::State>(*value);
}
template <>
void SyntaxBase<pfkey::State>::write(const pfkey::State& v, bool, std::string& out) {
  append(static_cast<std::uint8_t>(v), out);
}

template <>
Value<Flag> SyntaxBase<Flag, false, 0>::read(Words, ReadContext&) {
  return Flag{};
}
template <>
void SyntaxBase<Flag, false, 0>::write(const Flag&, bool, std::string&) {}

template <>
Value<Unusable> SyntaxBase<Unusable>::read(Words, ReadContext&) {
  return Unusable{};
}
template <>
void SyntaxBase<Unusable>::write(const Unusable&, bool, std::string&) {}

namespace {

Value<Host> host(std::string_view text, const ReadContext& context) {
  Host host;
  host.v6_only = context.v6_only;
  if (const auto literal = parse_address(text)) {
    host.literal = unmapped(*literal);
    if (host.v6_only && host.literal->family == Family::v4)
      return bad("{word} is an IPv4 address; IPv6 is needed here");
    return host;
  }
  if (text.find(':') != std::string_view::npos) return bad("Unknown address {word}: it is not an IPv6 address");
  // Old resolvers read 10.1 as 10.0.0.1: a name never ends in a number.
  const auto last = text.substr(text.rfind('.') + 1);
  if (last.find_first_not_of("0123456789") == std::string_view::npos)
    return bad("Unknown address {word}: it is neither an IPv4 address nor a name");
  constexpr std::size_t kLongestName = 253;  // RFC 1035 section 2.3.4.
  constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (text.size() > kLongestName || text.find_first_not_of(kNameCharacters) != std::string_view::npos)
    return bad("Unknown address {word}: it is neither an address nor a host name");
  host.name = text;
  return host;
}

void write_host(const Host& host, std::string& out) { out += host.literal ? to_string(*host.literal) : host.name; }

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
  if (v.prefix) fmt::format_to(std::back_inserter(out), "/{}", *v.prefix);
}

namespace {

// Hex digits into octets from the high end; false at the first that is none.
bool read_hex(std::string_view digits, MutableBytes out) {
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const int d = text::hex_digit(digits[i]);
    if (d < 0) return false;
    out[i / 2] |= static_cast<std::byte>(i % 2 ? d : d << 4);
  }
  return true;
}

Value<std::size_t> key_bits(std::string_view text, std::size_t digits) {
  std::size_t bits = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (ec == std::errc::result_out_of_range)
    return bad(fmt::format("bit length {} or more is too big for the {} bits that were given", SIZE_MAX, digits * 4));
  if (text.empty() || ec != std::errc() || end != text.data() + text.size())
    return bad("what stands after the / is not a bit specifier: a decimal number is needed");
  if (bits == 0) return bad("a key of 0 bits is none");
  if ((bits + 3) / 4 > digits)
    return bad(fmt::format("bit length {} is too big for the {} bits that were given", bits, digits * 4));
  return bits;
}

}  // namespace

template <>
Value<KeyValue> SyntaxBase<KeyValue, true>::read(Words words, ReadContext& context) {
  std::string_view digits = words[0].text;
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
      context.warning =
          fmt::format("the key has {} bits; the last {} are dropped", digits.size() * 4, digits.size() * 4 - bits);
  }
  if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
    return bad("the value is not a hex string");
  digits = digits.substr(0, (bits + 3) / 4);
  if (digits.size() > 2 * Secret::kMaxSize)
    return bad(fmt::format("the key has {} bits; no algorithm takes more than {}", bits, Secret::kMaxSize * 8));
  KeyValue key{Secret((bits + 7) / 8), static_cast<std::uint16_t>(bits)};
  read_hex(digits, key.material.bytes());
  if (bits % 8 != 0) key.material.bytes().back() &= static_cast<std::byte>(0xff00u >> bits % 8);
  return key;
}
template <>
void SyntaxBase<KeyValue, true>::write(const KeyValue& v, bool paranoid, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::byte b : v.material.bytes()) {
    const auto n = std::to_integer<unsigned>(b);
    out += paranoid ? 'X' : kDigits[n >> 4];
    out += paranoid ? 'X' : kDigits[n & 15];
  }
  fmt::format_to(std::back_inserter(out), "/{}", v.bits);
}

namespace {

struct IdentityWord {
  std::string_view names;
  pfkey::IdentityType type;
};
constexpr std::array kIdentities = {
    IdentityWord{"prefix", pfkey::IdentityType::prefix},
    IdentityWord{"fqdn domain domainname", pfkey::IdentityType::fqdn},
    IdentityWord{"user_fqdn mailbox", pfkey::IdentityType::user_fqdn},
    IdentityWord{"der_dn", pfkey::IdentityType::x_dn},
    IdentityWord{"der_gn", pfkey::IdentityType::x_gn},
};

}  // namespace

template <>
Value<Identity> SyntaxBase<Identity, false, 2>::read(Words words, ReadContext&) {
  Identity identity;
  const auto row = std::ranges::find_if(kIdentities, [&](auto& r) { return text::list_has(r.names, words[0].text); });
  if (row != kIdentities.end()) {
    identity.type = row->type;
  } else {
    if (!looks_numeric(words[0].text))
      return bad(fmt::format("Unknown identity type {{word}}; there are {}", kIdentityWords));
    const auto type = number<std::uint16_t>(words[0], "an identity type");
    if (!type) return std::unexpected(type.error());
    identity.type = static_cast<pfkey::IdentityType>(*type);
  }
  auto text = unescape(words[1]);
  if (!text) return bad("{word} has a wrong escape; \\\\ \\\" \\n \\r \\t and \\xHH are known", 1);
  constexpr std::size_t kLongest = 4096;
  if (text->size() > kLongest) return bad(fmt::format("the identity is longer than {} characters", kLongest), 1);
  identity.text = std::move(*text);
  return identity;
}
template <>
void SyntaxBase<Identity, false, 2>::write(const Identity& v, bool, std::string& out) {
  const auto row = std::ranges::find(kIdentities, v.type, &IdentityWord::type);
  if (row != kIdentities.end()) {
    out += text::first_word(row->names);
  } else {
    append(static_cast<std::uint16_t>(v.type), out);
  }
  out += ' ';
  write_quoted(v.text, out);
}

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
  append(v.level, out);
  if (!v.compartments.empty()) out += ':';
  for (const auto word : v.compartments) fmt::format_to(std::back_inserter(out), "{:016x}", word);
}

}  // namespace lang
