/* The unit of every ratio: vfork, exec and exit of this, linked statically with glibc. */
int main(void) { return 0; }
