#include "system/option_words.h"

#include <fmt/format.h>

#include "base/text.h"

namespace ipseckey {

OptionShape option_shape(std::string_view name, char letter, bool takes_value) {
  return {fmt::format("--{}{}", name, letter ? fmt::format(" -{}", letter) : ""), takes_value};
}

Error option_fault(const OptionWords::Found& found, std::string_view metavar, std::string_view shown) {
  using enum OptionWords::Found::Kind;
  if (found.kind == lacks_value) return {Errc::syntax, fmt::format("{} needs a {}", found.name, metavar)};
  if (found.kind == surplus_value) return {Errc::syntax, fmt::format("{} takes no value", found.name)};
  return {Errc::syntax, fmt::format("unknown option {}", shown)};
}

std::optional<OptionWords::Found> OptionWords::next() {
  if (ended_ || at_ == words_.size()) return std::nullopt;
  const std::string word = words_[at_];
  if (word.size() < 2 || word[0] != '-') return std::nullopt;
  if (word == "--") {
    ++at_;
    ended_ = true;
    return std::nullopt;
  }
  return word[1] == '-' ? take_long(word) : take_letter(word);
}

OptionWords::Found OptionWords::find(std::string name, const std::string& word) const {
  for (std::size_t i = 0; i < shapes_.size(); ++i)
    if (text::list_has_exactly(shapes_[i].names, name)) return {Found::Kind::option, i, std::move(name), word};
  return {Found::Kind::unknown, 0, std::move(name), word};
}

OptionWords::Found OptionWords::take_long(const std::string& word) {
  ++at_;
  const auto equals = word.find('=');
  Found found = find(word.substr(0, equals), word);
  if (found.kind == Found::Kind::unknown) return found;
  const bool takes_value = shapes_[found.option].takes_value;
  if (equals != std::string::npos) {
    found.value = word.substr(equals + 1);
    if (!takes_value) found.kind = Found::Kind::surplus_value;
  } else if (takes_value && at_ < words_.size()) {
    found.value = words_[at_++];
  } else if (takes_value) {
    found.kind = Found::Kind::lacks_value;
  }
  return found;
}

// "-nvf FILE", "-nvfFILE".
OptionWords::Found OptionWords::take_letter(const std::string& word) {
  ++letter_;
  Found found = find({'-', word[letter_]}, word);
  const bool last = letter_ + 1 == word.size();
  const bool takes_value = found.kind == Found::Kind::option && shapes_[found.option].takes_value;
  if (takes_value && !last) found.value = word.substr(letter_ + 1);
  if (!last && !takes_value) return found;
  ++at_;
  letter_ = 0;
  if (!takes_value || !last) return found;
  if (at_ < words_.size()) {
    found.value = words_[at_++];
  } else {
    found.kind = Found::Kind::lacks_value;
  }
  return found;
}

}  // namespace ipseckey
