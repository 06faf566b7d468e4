"""What several test layers share: real repositories, the program as a process, a look at the engine."""
