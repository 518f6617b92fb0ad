#pragma once
/// How the values of this language are read and written; what languages share is in table/syntax.h.
#include "policylang/record.h"
#include "table/completion.h"
#include "table/syntax.h"

namespace ipseckey::policylang {

template <class T>
struct Syntax : table::Syntax<T> {};

template <class T>
struct SyntaxBase : table::SyntaxFacts<false, 1> {
  static table::Value<T> read(table::Words words, table::ReadContext& context);
  static void write(const T& value, bool paranoid, std::string& out);
};

/// As elsewhere, and also the short form of a network: 10.1/16 is 10.1.0.0/16.
template <>
struct Syntax<table::Network> : SyntaxBase<table::Network> {
  static constexpr std::string_view kMetavar = table::Syntax<table::Network>::kMetavar;
};
template <>
struct Syntax<Way> : SyntaxBase<Way> {
  static constexpr std::string_view kMetavar = "in|out|both";
};
template <>
struct Syntax<OneWay> : SyntaxBase<OneWay> {
  static constexpr std::string_view kMetavar = "in|out";
};
template <>
struct Syntax<Negotiate> : SyntaxBase<Negotiate> {
  static constexpr std::string_view kMetavar = "tunnel|transport";
};
template <>
struct Syntax<Sharing> : SyntaxBase<Sharing> {
  static constexpr std::string_view kMetavar = "shared|unique";
};
template <>
struct Syntax<Level> : SyntaxBase<Level> {
  static constexpr std::string_view kMetavar = "require|use";
};
template <>
struct Syntax<Mask> : SyntaxBase<Mask> {
  static constexpr std::string_view kMetavar = "MASK";
};
template <>
struct Syntax<IcmpTypes> : SyntaxBase<IcmpTypes> {
  static constexpr std::string_view kMetavar = "TYPE[-TYPE]";
  static void offer(std::size_t n, table::Offers& offers);
};
template <>
struct Syntax<IcmpCodes> : SyntaxBase<IcmpCodes> {
  static constexpr std::string_view kMetavar = "CODE[-CODE]";
  static void offer(std::size_t n, table::Offers& offers);
};
template <>
struct Syntax<InterfaceName> : SyntaxBase<InterfaceName> {
  static constexpr std::string_view kMetavar = "INTERFACE";
};
template <pfkey::AlgorithmKind kind>
struct Syntax<Algorithm<kind>> : SyntaxBase<Algorithm<kind>> {
  static constexpr std::string_view kMetavar = "ALGORITHM[(BITS[..BITS])]";
  static void offer(std::size_t n, table::Offers& offers);
};
template <>
struct Syntax<Id> : SyntaxBase<Id> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<SpiNumber> : SyntaxBase<SpiNumber> {
  static constexpr std::string_view kMetavar = "SPI";
};
template <>
struct Syntax<pfkey::Mark> : SyntaxBase<pfkey::Mark> {
  static constexpr std::string_view kMetavar = "VALUE[/MASK]";
};

}  // namespace ipseckey::policylang
