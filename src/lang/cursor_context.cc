#include "lang/cursor_context.h"

#include <string>
#include <string_view>

#include "base/text.h"
#include "table/completion.h"

namespace ipseckey::lang {
namespace {

using Kind = CursorContext::Kind;

// Takes the words that are complete, one after another, from the command to where they end.
class Walk {
 public:
  Walk(const std::vector<Word>& words, CursorContext& place) : words_(words), place_(place) {}

  Kind run() {
    if (at_end()) return Kind::command;
    place_.row = find_command(words_[next_++].text);
    if (!place_.row) return Kind::lost;
    if (place_.row->satype != SaTypeRule::none) {
      if (at_end()) return Kind::satype;
      const auto type = find_satype(words_[next_++].text);
      if (!type || (*type == pfkey::SaType::unspec && place_.row->satype == SaTypeRule::specific)) return Kind::lost;
      place_.satype = *type;
    }
    switch (place_.row->operands) {
      case Operands::none:
        return at_end() ? Kind::end : Kind::lost;
      case Operands::extensions:
        return extensions();
      case Operands::optional_file:
      case Operands::file:
        return skip_options() ? one(Kind::file) : Kind::lost;
      case Operands::topic:
        return one(Kind::topic);
      case Operands::algorithm:
        return algorithm();
    }
    return Kind::lost;
  }

 private:
  bool at_end() const { return next_ == words_.size(); }
  Kind one(Kind kind) const {
    if (at_end()) return kind;
    return next_ + 1 == words_.size() ? Kind::end : Kind::lost;
  }

  // False: the value of the last one is missing.
  bool skip_options() {
    const auto known = [&](std::string_view w) { return text::list_has_exactly(place_.row->options, w); };
    for (; !at_end(); ++next_) {
      const std::string_view word = words_[next_].text;
      if (known(word) || known(word.substr(0, word.find('=') + 1))) continue;
      if (!known(std::string(word) + '=')) return true;
      if (++next_ == words_.size()) return false;
    }
    return true;
  }

  Kind algorithm() {
    if (at_end()) return Kind::algorithm;
    place_.algorithm = pfkey::find_algorithm(words_[next_++].text);
    return place_.algorithm ? one(Kind::bits) : Kind::lost;
  }

  Kind extensions() {
    const auto end = table::end_of_pairs(kKeywordTable, Words(words_).subspan(next_));
    place_.given = end.given, place_.value_word = end.value_word;
    if (!end.name.row) return Kind::keyword;
    place_.keyword = &keywords()[end.name.number];
    return Kind::value;
  }

  const std::vector<Word>& words_;
  CursorContext& place_;
  std::size_t next_ = 0;
};

}  // namespace

CursorContext context_at_end(std::string_view text) {
  CursorContext place;
  const auto unfinished = table::unfinished(text);
  place.at = unfinished.at, place.typed = unfinished.typed;
  if (!unfinished.lost) place.kind = Walk(unfinished.words, place).run();
  return place;
}

std::string_view satypes_for(const CommandRow& row) {
  const std::string_view any = kSaTypeWords;
  return row.satype == SaTypeRule::specific ? any.substr(any.find(' ') + 1) : any;
}

}  // namespace ipseckey::lang
