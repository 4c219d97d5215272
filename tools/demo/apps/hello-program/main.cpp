// A worker app as a program: the same class as in a module, and a main of its own.
#include <ringtime/worker.hpp>

namespace worker = ringtime::worker;

struct Hello {
    worker::Response fetch(const worker::Request&) {
        return worker::Response::text("Hello from a program!\n");
    }
};

int main() { return worker::serve(Hello{}); }
