#pragma once
/// Splits a program's words into options and operands; the program's table defines what the options are and mean.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ipseckey {

/// The part of an option's definition that is needed to find its end.
struct OptionShape {
  std::string names;         ///< With their dashes, separated by blanks: "--file -f".
  bool takes_value = false;  ///< Written --file=VALUE, --file VALUE, -f VALUE or -fVALUE.
};

/// Of an option with a long name, without dashes, and a letter; '\0': it has none.
OptionShape option_shape(std::string_view name, char letter, bool takes_value);

class OptionWords {
 public:
  OptionWords(std::span<const OptionShape> shapes, std::vector<std::string> words)
      : shapes_(shapes), words_(std::move(words)) {}

  struct Found {
    enum class Kind : std::uint8_t {
      option,
      unknown,        ///< No shape has this name.
      lacks_value,    ///< The words end before its value.
      surplus_value,  ///< --name=VALUE for an option without a value.
    };
    Kind kind = Kind::option;
    std::size_t option = 0;  ///< The index of the shape, unless it is unknown.
    std::string name;        ///< As it was written: "--file", "-f".
    std::string word;        ///< The whole word that contains it: "--file=x", "-nf".
    std::string value = {};
  };
  /// The next option. nullopt: the next word is not an option, or there is none; `--` is skipped and ends the options.
  std::optional<Found> next();

  /// The words that are left.
  std::span<const std::string> rest() const { return std::span(words_).subspan(at_); }
  /// Skips the first of them: it is not an option.
  void skip() { ++at_; }

 private:
  Found find(std::string name, const std::string& word) const;
  Found take_long(const std::string& word);
  Found take_letter(const std::string& word);

  std::span<const OptionShape> shapes_;
  std::vector<std::string> words_;
  std::size_t at_ = 0;
  std::size_t letter_ = 0;  // Position in the word at at_, which contains several options; 0: not started.
  bool ended_ = false;
};

/// What is wrong with an option, for people; not of Kind::option. `metavar`: the name of its value. `shown`: the name
/// of an unknown one, as it may be printed.
Error option_fault(const OptionWords::Found& found, std::string_view metavar, std::string_view shown);

}  // namespace ipseckey
