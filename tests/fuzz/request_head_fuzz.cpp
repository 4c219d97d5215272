// Request heads: parser, framing, hop-by-hop fields, writer.

#include "heads.h"
#include "http/framing.h"
#include "requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::Exact input(fuzz::text_of(data, size));
    fuzz::check_request(input.text());
    return 0;
}
