# cmake -DIN=HEADER -DOUT=HEADER -P: copies a header of src/ for programs outside, whose includes begin with ipseckey/.
file(READ ${IN} text)
string(REGEX REPLACE "#include \"([a-z]+/)" "#include \"ipseckey/\\1" text "${text}")
file(WRITE ${OUT} "${text}")
