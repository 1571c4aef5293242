#include "ticklab/lab/cli/interrupt.hpp"

#include <atomic>
#include <csignal>

namespace ticklab::lab {
namespace {

std::atomic<bool> asked{false};

void on_interrupt(int) {
    asked = true;
    // A second one ends the program at once.
    std::signal(SIGINT, SIG_DFL);
}

}  // namespace

InterruptWatch::InterruptWatch() {
    asked = false;
    std::signal(SIGINT, on_interrupt);
}

InterruptWatch::~InterruptWatch() { std::signal(SIGINT, SIG_DFL); }

bool InterruptWatch::interrupted() { return asked; }

}  // namespace ticklab::lab
