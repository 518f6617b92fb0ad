// Arbitrary words on the command lines of both programs; each word ends with a NUL octet.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "ipsecd/options.h"
#include "must.h"

using namespace ipseckey;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == 0) {
      words.emplace_back();
    } else {
      words.back().push_back(static_cast<char>(data[i]));
    }
  }
  const std::vector<std::string_view> views(words.begin(), words.end());
  const auto daemon = ipsecd::parse_options(views);
  MUST(daemon || !daemon.error().text.empty());
  MUST(!daemon || !daemon->workers || (*daemon->workers >= 1 && *daemon->workers <= 64));
  MUST(!daemon || !daemon->mtu || (*daemon->mtu >= 1280 && *daemon->mtu <= 65535));
  const auto command = cli::parse_options(words, size % 2 == 0 ? nullptr : "memory");
  MUST(command || !command.error().text.empty());
  return 0;
}
