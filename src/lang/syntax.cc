// The values that are a number or a word of a list: how each is read, and written by `save`.
// 1. Syntax<T> has for each type of value read(), write(), how many words it takes, and what stands for it in the
//    help.
// 2. wrapped() reads a number into a strong type and checks its range.
// 3. Ports and protocols may be names, which the name services look up.
// 4. word_or_number() takes a word of a table, or a number, and suggests a word that is near.
// 5. algorithm() knows the words of other programs, too. lang/syntax_text.cc has addresses, keys, identities and
//    labels.
#include "lang/syntax.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "lang/neighbours.h"
#include "lang/numbers.h"
#include "pfkey/algorithms.h"
#include "table/completion.h"
#include "table/suggest.h"

namespace ipseckey::lang {
namespace {

// A strong type around an integer.
template <class T>
Value<T> wrapped(const Word& word) {
  auto value = number<decltype(T::value)>(word);
  if (!value) return std::unexpected(std::move(value.error()));
  return T{*value};
}

}  // namespace

template <>
Value<Spi> SyntaxBase<Spi>::read(Words words, ReadContext&) {
  auto spi = wrapped<Spi>(words[0]);
  if (spi && spi->value == 0) return bad("0 is not an SPI: it is reserved (RFC 4303 section 2.1)");
  return spi;
}
template <>
void SyntaxBase<Spi>::write(const Spi& v, bool, std::string& out) {
  out += fmt::format("0x{:x}", v.value);
}

template <>
Value<Count> SyntaxBase<Count>::read(Words words, ReadContext&) {
  return wrapped<Count>(words[0]);
}
template <>
void SyntaxBase<Count>::write(const Count& v, bool, std::string& out) {
  append_number(v.value, out);
}

template <>
Value<Count32> SyntaxBase<Count32>::read(Words words, ReadContext&) {
  return wrapped<Count32>(words[0]);
}
template <>
void SyntaxBase<Count32>::write(const Count32& v, bool, std::string& out) {
  append_number(v.value, out);
}

template <>
Value<Window> SyntaxBase<Window>::read(Words words, ReadContext&) {
  auto packets = number<std::uint32_t>(words[0], "a number", pfkey::ReplayWindow::kMost);
  if (!packets) return std::unexpected(std::move(packets.error()));
  return Window{*packets};
}
template <>
void SyntaxBase<Window>::write(const Window& v, bool, std::string& out) {
  append_number(v.value, out);
}

template <>
Value<Bits> SyntaxBase<Bits>::read(Words words, ReadContext&) {
  return wrapped<Bits>(words[0]);
}
template <>
void SyntaxBase<Bits>::write(const Bits& v, bool, std::string& out) {
  append_number(v.value, out);
}

template <>
Value<IcmpNumber> SyntaxBase<IcmpNumber>::read(Words words, ReadContext&) {
  return wrapped<IcmpNumber>(words[0]);
}
template <>
void SyntaxBase<IcmpNumber>::write(const IcmpNumber& v, bool, std::string& out) {
  append_number(v.value, out);
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
  return bad(message + suggestion(auth ? Foreign::auth : Foreign::encrypt, word.text, algorithm_names(auth)));
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

namespace {

// Only ESP may do without one.
void offer_algorithms(pfkey::AlgorithmKind kind, table::Offers& offers) {
  for (const pfkey::Algorithm& a : pfkey::algorithms())
    if (a.kind == kind) offers.add(a.names);
  if (offers.about != static_cast<std::uint8_t>(pfkey::SaType::ah)) offers.add(pfkey::none_names(kind));
}

}  // namespace

void Syntax<AuthAlgorithm>::offer(std::size_t, table::Offers& offers) {
  offer_algorithms(pfkey::AlgorithmKind::auth, offers);
}
void Syntax<EncryptAlgorithm>::offer(std::size_t, table::Offers& offers) {
  offer_algorithms(pfkey::AlgorithmKind::encrypt, offers);
}

Value<std::uint32_t> word_or_number(const Word& word, std::span<const pfkey::Word> table, std::string_view what,
                                    Foreign kind, std::optional<std::uint32_t> largest) {
  if (const auto n = pfkey::find_number(table, word.text)) return *n;
  if (largest && looks_numeric(word.text)) return number<std::uint32_t>(word, "a number", *largest);
  const auto names = pfkey::all_names(table);
  if (names.size() == 1) return bad(fmt::format("Unknown {} {{word}}; expected {}", what, names[0]));
  return bad(fmt::format("Unknown {} {{word}}; expected {}{}", what, table::listed(names, "or"),
                         suggestion(kind, word.text, names)));
}

template <>
Value<Encapsulation> SyntaxBase<Encapsulation>::read(Words words, ReadContext&) {
  const auto protocol = word_or_number(words[0], pfkey::encapsulation_words(), "encapsulation", Foreign::encapsulation);
  if (!protocol) return std::unexpected(protocol.error());
  return static_cast<Encapsulation>(*protocol);
}
template <>
void SyntaxBase<Encapsulation>::write(const Encapsulation& v, bool, std::string& out) {
  out += pfkey::find_word(pfkey::encapsulation_words(), static_cast<std::uint32_t>(v))->name();
}

template <>
Value<pfkey::State> SyntaxBase<pfkey::State>::read(Words words, ReadContext&) {
  constexpr auto kLargest = static_cast<std::uint32_t>(pfkey::State::active);
  const auto state = word_or_number(words[0], pfkey::state_words(), "state", Foreign::value, kLargest);
  if (!state) return std::unexpected(state.error());
  return static_cast<pfkey::State>(*state);
}
template <>
void SyntaxBase<pfkey::State>::write(const pfkey::State& v, bool, std::string& out) {
  append_number(static_cast<std::uint8_t>(v), out);
}
void Syntax<pfkey::State>::offer(std::size_t, table::Offers& offers) {
  offers.add_each(pfkey::all_names(pfkey::state_words()));
}

}  // namespace ipseckey::lang
