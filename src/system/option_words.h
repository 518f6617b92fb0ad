#pragma once
/// How a program's words are cut into options and the rest; what the options are and mean is the program's table.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey {

/// An option, as far as it must be known to find its end.
struct OptionShape {
  std::string names;         ///< With their dashes, separated by blanks: "--file -f".
  bool takes_value = false;  ///< Written --file=VALUE, --file VALUE, -f VALUE or -fVALUE.
};

class OptionWords {
 public:
  OptionWords(std::span<const OptionShape> shapes, std::vector<std::string> words)
      : shapes_(shapes), words_(std::move(words)) {}

  struct Found {
    enum class Kind : std::uint8_t {
      option,
      unknown,        ///< No shape has this name.
      lacks_value,    ///< The words end where its value should be.
      surplus_value,  ///< --name=VALUE of one that takes none.
    };
    Kind kind = Kind::option;
    std::size_t option = 0;  ///< Which of the shapes, unless it is unknown.
    std::string name;        ///< As it was written: "--file", "-f".
    std::string word;        ///< The whole word that it is in: "--file=x", "-nf".
    std::string value = {};
  };
  /// The next option. nullopt: the next word is none, or there is none; `--` is skipped and ends the options.
  std::optional<Found> next();

  /// The words that are left.
  std::span<const std::string> rest() const { return std::span(words_).subspan(at_); }
  /// The first of them is dealt with: it is not an option.
  void skip() { ++at_; }

 private:
  Found find(std::string name, const std::string& word) const;
  Found take_long(const std::string& word);
  Found take_letter(const std::string& word);

  std::span<const OptionShape> shapes_;
  std::vector<std::string> words_;
  std::size_t at_ = 0;
  std::size_t letter_ = 0;  // Of the word at at_, which has several; 0: it is not begun.
  bool ended_ = false;
};

}  // namespace ipseckey
