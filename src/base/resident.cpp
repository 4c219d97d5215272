#include "base/resident.h"

#include <unistd.h>

#include <cstdio>
#include <string>

namespace ringtime {

uint64_t resident_bytes(int32_t pid) {
    unsigned long long pages = 0;
    std::string path = "/proc/" + std::to_string(pid) + "/statm";
    if (FILE* file = std::fopen(path.c_str(), "re")) {
        if (std::fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace ringtime
