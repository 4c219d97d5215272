// A worker app as a program: the same class as in a module, and a main of its own.
#include <ringtime/worker.hpp>

struct Hello {
    ringtime::Response fetch(const ringtime::Request&) {
        return ringtime::Response::text("Hello from a program!\n");
    }
};

int main() { return ringtime::serve(Hello{}); }
