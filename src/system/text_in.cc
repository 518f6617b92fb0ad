#include "system/text_in.h"

#include <fstream>
#include <iterator>

std::string text_in(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
