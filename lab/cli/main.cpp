#include "ticklab/lab/cli/command.hpp"

int main(int argc, char** argv) { return ticklab::lab::run_program(argc, argv); }
