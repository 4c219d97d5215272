// A worker app as a module. Each instance is a process; what it counts, it counts alone.
#include <ringtime/worker.hpp>

#include <unistd.h>

#include <string>

namespace worker = ringtime::worker;

struct Hello {
    worker::Response fetch(const worker::Request&) {
        ++answered_;
        return worker::Response::json("{\"hello\":\"world\",\"pid\":" + std::to_string(getpid()) +
                                      ",\"answered\":" + std::to_string(answered_) + "}\n");
    }

 private:
    unsigned long answered_ = 0;
};

RINGTIME_APP(Hello)
