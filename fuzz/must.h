#pragma once
/// Assertions of a fuzz target; a finding stops the program at once.
#include <cstdio>
#include <cstdlib>

/// Ends the program with the claim that did not hold.
#define MUST(claim)                                                                   \
  do {                                                                                \
    if (!(claim)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #claim); \
      std::abort();                                                                   \
    }                                                                                 \
  } while (false)
