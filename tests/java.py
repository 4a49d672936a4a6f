"""How tests start services in Java."""

# A service of some minutes spends more on the second compiler than it gains by it: a node of OpenSearch starts with
# half of the processor's time without. So does DynamoDB Local, if no threads collect garbage beside it either.
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# The same for a service that another process starts: https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html
JAVA_ENVIRONMENT = {"JDK_JAVA_OPTIONS": " ".join(JAVA_OPTIONS)}
