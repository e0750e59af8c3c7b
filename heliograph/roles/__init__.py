"""One file or folder per running box. Roles reach the world through ports only and never import each other."""
