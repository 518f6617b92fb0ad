# A layer is a folder of src/: one static library from the sources in it, which names the layers and libraries that it
# uses. The unit tests beside the sources (x_test.cc) become one test program, run test by test through ctest.
function(layer name)
  cmake_parse_arguments(ARG "" "" "USES;LIBRARIES;TEST_USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PUBLIC flags ${ARG_USES} ${ARG_LIBRARIES})
  if(IPSECKEY_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${ARG_TEST_USES} GTest::gmock_main)
    # To compile takes longer than to run: half the time of -O3, and with sanitizers half of that again. What is tested is
    # compiled as the build says.
    target_compile_options(${name}_test PRIVATE $<IF:$<BOOL:${IPSECKEY_SANITIZE}>,-O0,-O1>)
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60)
  endif()
endfunction()
