// A worker app as a module. Each instance is a process; what it counts, it counts alone.
#include <ringtime/worker.hpp>

#include <unistd.h>

#include <string>

struct Hello {
    ringtime::Response fetch(const ringtime::Request&) {
        ++answered_;
        return ringtime::Response::json("{\"hello\":\"world\",\"pid\":" + std::to_string(getpid()) +
                                        ",\"answered\":" + std::to_string(answered_) + "}\n");
    }

 private:
    unsigned long answered_ = 0;
};

RINGTIME_APP(Hello)
