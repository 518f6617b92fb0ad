// fill-template: writes a template (standard input), filled from the program's tables, to standard output.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "texts/tables.h"

using namespace ipseckey;

int main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const auto filled = texts::fill(text, texts::program_tables(), IPSECKEY_VERSION);
  if (!filled) {
    fmt::print(stderr, "fill-template: {}\n", filled.error().text);
    return 1;
  }
  fmt::print("{}", *filled);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
