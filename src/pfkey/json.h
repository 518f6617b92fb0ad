#pragma once
/// Messages and reports as JSON for programs: one object, one line. doc/reference/json.md describes every member;
/// share/schema/ipseckey.schema.json says the same to a validator.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/instant.h"
#include "base/secret_text.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {

struct JsonOptions {
  std::string sadb;            ///< The SADB in use, as its backend names it.
  bool paranoid = false;       ///< -p: sizes of keys, no digits.
  bool keys = true;            ///< Off: the same.
  std::optional<Instant> now;  ///< "time" of a message; left out without it.
};

/// The kind of an SA.
inline constexpr std::string_view kJsonSa = "sa";
/// The other kinds that a command prints that may also print SAs, or that is about a file of them. A reader of SAs
/// passes them over.
inline constexpr std::array<std::string_view, 6> kJsonReports = {"count", "check", "load", "plan", "apply", "doctor"};

/// One SA of a GET or DUMP reply: kind "sa". Appends a line to out; with keys the caller wipes out.
void json_sa(const Message& m, const JsonOptions& options, SecretText& out);

/// Any message: kind "message", or "gap" for a gap notice (notices.h). Appends a line to out; with keys the caller
/// wipes out.
void json_message(const Message& m, const JsonOptions& options, SecretText& out);

/// One fault that a check or a load found.
struct ReportedFault {
  bool warning = false;
  std::string file;          ///< "<stdin>" for standard input; empty: the shell's arguments.
  std::uint32_t line = 0;    ///< From 1; 0: not about one line.
  std::uint32_t column = 0;  ///< From 1, in bytes; 0: not about one word.
  std::uint32_t length = 0;  ///< Of the word, bytes.
  std::string message;       ///< Without key material.
  std::string pointer = {};  ///< JSON pointer, where JSON was read; empty: the whole object, or there is none.
};

/// What a check (-c) or a load (-f, load) came to.
struct Report {
  enum class Kind : std::uint8_t { check, load } kind{};
  std::string sadb;
  std::string file;
  std::uint64_t commands = 0;   ///< All of them.
  std::uint64_t succeeded = 0;  ///< Valid ones, or those that were carried out.
  std::uint64_t failed = 0;
  std::vector<ReportedFault> faults;
};

/// Kind "check" or "load". Appends a line to out.
void json_report(const Report& report, std::string& out);

}  // namespace ipseckey::pfkey
